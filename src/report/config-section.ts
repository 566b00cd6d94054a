import { html, renderTable, type Html } from '../charts/html.js';
import type { ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Config values: of one run those that differ from the defaults, of several those that differ between runs. */
export const configSection: Section = {
  title: 'Config',
  about: 'For one run, the values that differ from the defaults; for several, the values that differ between runs.',
  draw: (runs) => (runs.length === 1 ? changes(runs[0]!) : differences(runs)),
};

function changes({ changes: all }: ReportedRun): Html | undefined {
  if (all.length === 0) return undefined;
  return renderTable(
    ['key', 'value', 'default'],
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
  if (keys.length === 0) return html`<p>The configs are identical.</p>`;
  return renderTable(
    ['key', ...runs.map(({ name }) => name)],
    keys.map((key) => [
      html`<code>${key}</code>`,
      ...runs.map(({ config }) => (config.has(key) ? html`<code>${config.get(key)}</code>` : '')),
    ]),
    'texts',
  );
}
