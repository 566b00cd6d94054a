import { renderCharts, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { collectKeys, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Maximum number of fields per chart; the largest shares win. */
const MAX_FEATURES = 30;

/** Share of out-of-vocabulary ids by field. */
export const oovSection: Section = {
  title: 'Out-of-vocabulary ids',
  about:
    'Share of values by field that map to the out-of-vocabulary id: unseen or too rare in the training set. ' +
    'A larger share on the test set indicates drift.',
  draw(runs) {
    return renderCharts(runs.flatMap((run) => drawChart(run, runs.length > 1) ?? []));
  },
};

function drawChart({ name, unknown: bySplit }: ReportedRun, isNamed: boolean): Html | undefined {
  const splits = Object.keys(bySplit);
  const maxShare = (field: string): number => Math.max(...splits.map((split) => bySplit[split]![field] ?? 0));
  const fields = collectKeys(Object.values(bySplit))
    .filter((field) => maxShare(field) > 0)
    .sort((a, b) => maxShare(b) - maxShare(a));
  if (fields.length === 0) return undefined;
  const shown = fields.slice(0, MAX_FEATURES);
  const bars = shown.flatMap((field) =>
    splits.map((split, series) => ({ name: field, value: bySplit[split]![field] ?? 0, series })),
  );
  const title =
    (isNamed ? `${name}: ` : '') +
    (fields.length > MAX_FEATURES
      ? `top ${MAX_FEATURES} of ${fields.length} fields`
      : 'fields with out-of-vocabulary ids');
  return barPlot({ title, axis: { title: 'share of values', format: '~%', zero: true }, bars, series: splits });
}
