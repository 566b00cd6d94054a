import { html } from '../charts/html.js';
import type { ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** What looks wrong in the results, though it is no error. */
export const warnings: Section = {
  title: 'Warnings',
  about: 'Results that are unlikely to hold elsewhere, as the command printed them.',
  draw(runs) {
    const lines = runs.flatMap((run) =>
      warningsOf(run).map((text) => (runs.length > 1 ? `${run.name}: ${text}` : text)),
    );
    return lines.length === 0 ? undefined : html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
  },
};

/** Of the last time that the run was trained. */
function warningsOf({ events }: ReportedRun): readonly string[] {
  const start = events.findLastIndex(({ event }) => event === 'start');
  return [
    ...new Set(
      events.slice(start + 1).flatMap(({ event, text }) => (event === 'warning' && text !== undefined ? [text] : [])),
    ),
  ];
}
