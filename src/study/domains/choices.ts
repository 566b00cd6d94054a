import { z } from 'zod';
import { defineDomain } from './domain.js';

/** A list of choices: numbers, names or config sections. */
export const choices = defineDomain({
  name: 'choices',
  summary: 'Uniform choice from a list of numbers, names or config sections; a plain list means the same',
  options: () => ({ values: z.array(z.unknown()).min(1) }),
  *check({ values }) {
    const texts = values.map((value) => JSON.stringify(value));
    const twice = texts.findIndex((text, i) => texts.indexOf(text) < i);
    if (twice >= 0) yield { path: ['values', twice], message: `${texts[twice]} is listed twice; remove one` };
  },
  build({ values }) {
    const texts = values.map((value) => JSON.stringify(value));
    return {
      axis: { kind: 'list', count: values.length },
      valueAt: (coordinate) => values[coordinate],
      coordinateOf(value) {
        const at = texts.indexOf(JSON.stringify(value));
        return at < 0 ? undefined : at;
      },
      grid: values.map((_, i) => i),
    };
  },
});
