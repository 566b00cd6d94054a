import { html, renderTable } from '../charts/html.js';
import type { Section } from './section.js';

/** The runs that tasks were distilled from. */
export const teachers: Section = {
  title: 'Teachers',
  about: 'The runs whose probabilities tasks were trained on, in addition to labels.',
  draw(runs) {
    const rows = runs.flatMap(({ name, teachers: own }) => own.map((teacher) => ({ name, ...teacher })));
    if (rows.length === 0) return undefined;
    return renderTable(
      [...(runs.length > 1 ? ['run'] : []), 'task', 'teacher', 'output', 'steps', 'SHA-256'],
      rows.map(({ name, task, checkpoint, output, step, sha256 }) => [
        ...(runs.length > 1 ? [name] : []),
        task,
        html`<code>${checkpoint}</code>`,
        output,
        String(step),
        html`<code>${sha256.slice(0, 12)}</code>`,
      ]),
      'texts',
    );
  },
};
