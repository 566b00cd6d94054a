import { html } from '../charts/html.js';
import type { ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Warnings of the last training process. */
export const warnings: Section = {
  title: 'Warnings',
  about: 'Warnings printed during training: results that may not hold in production.',
  draw(runs) {
    const lines = runs.flatMap((run) =>
      collectWarnings(run).map((text) => (runs.length > 1 ? `${run.name}: ${text}` : text)),
    );
    return lines.length === 0 ? undefined : html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
  },
};

/** Collects the warnings since the last start. */
function collectWarnings({ events }: ReportedRun): readonly string[] {
  const start = events.findLastIndex(({ event }) => event === 'start');
  return [
    ...new Set(
      events.slice(start + 1).flatMap(({ event, text }) => (event === 'warning' && text !== undefined ? [text] : [])),
    ),
  ];
}
