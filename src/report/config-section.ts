import { html, tableOf, type Html } from '../charts/html.js';
import type { ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** What the config says: of one run beside the defaults, of several where they differ. */
export const configSection: Section = {
  title: 'What was asked',
  about: 'Of one run all that its config says beside the defaults; of several the values in which they differ.',
  draw: (runs) => (runs.length === 1 ? changes(runs[0]!) : differences(runs)),
};

function changes({ changes: all }: ReportedRun): Html | undefined {
  if (all.length === 0) return undefined;
  return tableOf(
    ['key', 'value', 'by default'],
    all.map(({ key, value, byDefault }) => [
      html`<code>${key}</code>`,
      html`<code>${value}</code>`,
      byDefault === undefined ? '' : html`<code>${byDefault}</code>`,
    ]),
    'texts',
  );
}

function differences(runs: readonly ReportedRun[]): Html {
  const keys = [...new Set(runs.flatMap(({ config }) => [...config.keys()]))].filter(
    (key) => new Set(runs.map(({ config }) => config.get(key))).size > 1,
  );
  if (keys.length === 0) return html`<p>Their configs are the same.</p>`;
  return tableOf(
    ['key', ...runs.map(({ name }) => name)],
    keys.map((key) => [
      html`<code>${key}</code>`,
      ...runs.map(({ config }) => (config.has(key) ? html`<code>${config.get(key)}</code>` : '')),
    ]),
    'texts',
  );
}
