import { html, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { collectKeys, shownScores, type ReportedRun, type ShownScores } from './reported-run.js';
import type { Section } from './section.js';

/** Maximum number of segments per chart; those with the most rows win. scores.json has all. */
const MAX_SEGMENTS = 20;

/** Predicted relative to observed positives per segment. */
export const segments: Section = {
  title: 'Calibration by segment',
  about:
    'Predicted over observed positives, by the columns of evaluation.segmentBy: 1, the dashed line, is ' +
    'calibrated; above 1 is too high. Ratios of few positives are noisy.',
  draw(runs: readonly ReportedRun[]) {
    const shown = shownScores(runs);
    const charts: Html[] = [];
    for (const by of collectKeys(shown.map(({ segments: all }) => all))) {
      const values = shown.flatMap(({ segments: all }) => Object.values(all[by] ?? {}));
      for (const output of collectKeys(values)) charts.push(...drawCharts(shown, by, output));
    }
    return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`;
  },
};

function drawCharts(shown: readonly ShownScores[], by: string, output: string): readonly Html[] {
  const getSums = ({ segments: all }: ShownScores, value: string) => all[by]?.[value]?.[output];
  const values = collectKeys(shown.map(({ segments: all }) => all[by] ?? {}));
  const countRows = (value: string): number => Math.max(...shown.map((scores) => getSums(scores, value)?.rows ?? 0));
  const largest = new Set([...values].sort((a, b) => countRows(b) - countRows(a)).slice(0, MAX_SEGMENTS));
  const bars = values
    .filter((value) => largest.has(value))
    .flatMap((name) =>
      shown.flatMap((scores, series) => {
        const { positives, predicted } = getSums(scores, name) ?? { positives: 0, predicted: 0 };
        return positives > 0 ? [{ name, value: predicted / positives, series }] : [];
      }),
    );
  if (bars.length === 0) return [];
  const title =
    `${output} by ` + `${by}${values.length > MAX_SEGMENTS ? `, the ${MAX_SEGMENTS} largest of ${values.length}` : ''}`;
  return [
    barPlot({
      title,
      axis: { title: 'predicted over observed', zero: true },
      bars,
      series: shown.map(({ name }) => name),
      guide: 1,
    }),
  ];
}
