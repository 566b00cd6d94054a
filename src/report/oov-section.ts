import { html, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { namesIn, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Fields that are drawn, those with the largest shares. */
const MAX_FEATURES = 30;

/** Which fields hold what train did not teach. */
export const oovSection: Section = {
  title: 'Unknown ids',
  about:
    'The share of cells, by field, that train did not teach or that are too rare to have a row of their own. A share that is larger on test than on train says that the data moved.',
  draw(runs) {
    const charts = runs.flatMap((run) => chartOf(run, runs.length > 1) ?? []);
    return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`;
  },
};

function chartOf({ name, unknown: bySplit }: ReportedRun, isNamed: boolean): Html | undefined {
  const splits = Object.keys(bySplit);
  const largest = (field: string): number => Math.max(...splits.map((split) => bySplit[split]![field] ?? 0));
  const fields = namesIn(Object.values(bySplit))
    .filter((field) => largest(field) > 0)
    .sort((a, b) => largest(b) - largest(a));
  if (fields.length === 0) return undefined;
  const shown = fields.slice(0, MAX_FEATURES);
  const bars = shown.flatMap((field) =>
    splits.map((split, series) => ({ name: field, value: bySplit[split]![field] ?? 0, series })),
  );
  const title = `${isNamed ? `${name}: ` : ''}${fields.length > MAX_FEATURES ? `the ${MAX_FEATURES} most unknown of ${fields.length} fields` : 'fields with unknown ids'}`;
  return barPlot({ title, axis: { title: 'share of cells', format: '~%', zero: true }, bars, series: splits });
}
