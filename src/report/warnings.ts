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

/** Collects the warnings of the last process, which may precede its start event. */
export function collectWarnings({ events }: ReportedRun): readonly string[] {
  const resume = events.findLastIndex(({ event }) => event === 'resume');
  return [
    ...new Set(
      events.slice(resume + 1).flatMap(({ event, text }) => (event === 'warning' && text !== undefined ? [text] : [])),
    ),
  ];
}
