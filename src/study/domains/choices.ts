import { z } from 'zod';
import { defineDomain } from './domain.js';

/** A list of choices: numbers, names or config sections. */
export const choices = defineDomain({
  name: 'choices',
  summary: 'Uniform choice from a list of numbers, names or config sections; a plain list means the same',
  options: () => ({ values: z.array(z.unknown()).min(1) }),
  *check({ values }) {
    const serialized = values.map((value) => JSON.stringify(value));
    const repeated = serialized.findIndex((text, i) => serialized.indexOf(text) < i);
    if (repeated >= 0)
      yield { path: ['values', repeated], message: `${serialized[repeated]} is listed twice; remove one` };
  },
  build({ values }) {
    const serialized = values.map((value) => JSON.stringify(value));
    return {
      axis: { kind: 'list', count: values.length },
      toValue: (coordinate) => values[coordinate],
      toCoordinate(value) {
        const index = serialized.indexOf(JSON.stringify(value));
        return index < 0 ? undefined : index;
      },
      grid: values.map((_, i) => i),
    };
  },
});
