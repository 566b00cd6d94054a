import { html, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { namesIn, shownScores, type ReportedRun, type ShownScores } from './reported-run.js';
import type { Section } from './section.js';

/** Segments of a column that are drawn, those with the most rows; the others stand in scores.json. */
const MAX_SEGMENTS = 20;

/** Which segments are predicted too high or too low. */
export const segments: Section = {
  title: 'Calibration by segment',
  about:
    'Predicted positives over observed ones, by the columns of evaluation.segmentBy: 1, the dashed line, is right, more is too high. Few positives say little.',
  draw(runs: readonly ReportedRun[]) {
    const shown = shownScores(runs);
    const charts: Html[] = [];
    for (const by of namesIn(shown.map(({ segments: all }) => all))) {
      const values = shown.flatMap(({ segments: all }) => Object.values(all[by] ?? {}));
      for (const space of namesIn(values)) charts.push(...chartOf(shown, by, space));
    }
    return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`;
  },
};

function chartOf(shown: readonly ShownScores[], by: string, space: string): readonly Html[] {
  const sumsOf = ({ segments: all }: ShownScores, value: string) => all[by]?.[value]?.[space];
  const values = namesIn(shown.map(({ segments: all }) => all[by] ?? {}));
  const rowsOf = (value: string): number => Math.max(...shown.map((scores) => sumsOf(scores, value)?.rows ?? 0));
  const largest = new Set([...values].sort((a, b) => rowsOf(b) - rowsOf(a)).slice(0, MAX_SEGMENTS));
  const bars = values
    .filter((value) => largest.has(value))
    .flatMap((name) =>
      shown.flatMap((scores, series) => {
        const { positives, predicted } = sumsOf(scores, name) ?? { positives: 0, predicted: 0 };
        return positives > 0 ? [{ name, value: predicted / positives, series }] : [];
      }),
    );
  if (bars.length === 0) return [];
  const title = `${space} by ${by}${values.length > MAX_SEGMENTS ? `, the ${MAX_SEGMENTS} largest of ${values.length}` : ''}`;
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
