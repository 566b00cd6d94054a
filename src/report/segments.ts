import { normalQuantile } from '../core/normal-quantile.js';
import type { ScoreSums } from '../evaluation/score-bins.js';
import { html, renderCharts, renderDetails, renderTable, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { count } from '../text/number-text.js';
import { collectKeys, collectOutputs, shownScores, type ReportedRun, type ShownScores } from './reported-run.js';
import type { Section } from './section.js';

/** Maximum number of segments per chart; those with the most rows win. scores.json has all. */
const MAX_CHARTED = 20;
/** Maximum number of segments in the table. */
const MAX_LISTED = 8;

/** Segments with the largest errors, and predicted relative to observed positives per segment. */
export const segments: Section = {
  title: 'Segments',
  about:
    'Predicted over observed positives by the columns of evaluation.segmentBy: 1 is calibrated, above 1 is too high.',
  draw(runs: readonly ReportedRun[]) {
    const shown = shownScores(runs);
    const charts: Html[] = [];
    for (const by of collectKeys(shown.map(({ segments: all }) => all))) {
      const values = shown.flatMap(({ segments: all }) => Object.values(all[by] ?? {}));
      for (const output of collectOutputs(values).main) charts.push(...drawCharts(shown, by, output));
    }
    if (charts.length === 0) return undefined;
    const grid = html`${renderCharts(charts)}`;
    return runs.length > 1 ? grid : html`${renderWorst(shown[0]!)}${renderDetails('All segments', grid)}`;
  },
};

/** A segment of an output, and how many standard errors it is off. */
interface Segment {
  readonly name: string;
  readonly sums: ScoreSums;
  readonly z: number;
}

/** Lists the segments that are off by more than chance, the most certain first. */
function renderWorst({ segments: all }: ShownScores): Html {
  const measured = Object.entries(all).flatMap(([by, values]) =>
    Object.entries(values).flatMap(([value, outputs]) =>
      collectOutputs([outputs]).main.map((output): Segment => {
        const sums = outputs[output]!;
        return { name: `${output}, ${by}=${value}`, sums, z: computeZ(sums) };
      }),
    ),
  );
  // Bonferroni's correction: among many segments, some are off by chance.
  const threshold = normalQuantile(1 - 0.025 / Math.max(1, measured.length));
  const worst = measured.filter(({ z }) => Math.abs(z) > threshold).sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
  if (worst.length === 0) return html`<p>None of ${count(measured.length)} segments is off by more than chance.</p>`;
  const rows = worst
    .slice(0, MAX_LISTED)
    .map(({ name, sums: { positives, predicted } }) => [
      name,
      count(positives),
      count(predicted),
      positives === 0 ? '-' : (predicted / positives).toFixed(2),
    ]);
  return html`<p>Off by more than chance: ${worst.length} of ${count(measured.length)} segments</p>
${renderTable(['', 'observed', 'predicted', 'ratio'], rows)}`;
}

/**
 * Computes how many standard errors the observed positives are from the predicted ones. The variance of independent
 * labels is at most the variance for a constant prediction.
 */
function computeZ({ rows, positives, predicted }: ScoreSums): number {
  const variance = predicted * (1 - predicted / rows);
  return variance > 0 ? (predicted - positives) / Math.sqrt(variance) : 0;
}

function drawCharts(shown: readonly ShownScores[], by: string, output: string): readonly Html[] {
  const getSums = ({ segments: all }: ShownScores, value: string) => all[by]?.[value]?.[output];
  const values = collectKeys(shown.map(({ segments: all }) => all[by] ?? {}));
  const countRows = (value: string): number => Math.max(...shown.map((scores) => getSums(scores, value)?.rows ?? 0));
  const largest = new Set([...values].sort((a, b) => countRows(b) - countRows(a)).slice(0, MAX_CHARTED));
  const bars = values
    .filter((value) => largest.has(value))
    .flatMap((name) =>
      shown.flatMap((scores, series) => {
        const { positives, predicted } = getSums(scores, name) ?? { positives: 0, predicted: 0 };
        return positives > 0 ? [{ name, value: predicted / positives, series }] : [];
      }),
    );
  if (bars.length === 0) return [];
  const numbers = values.length > MAX_CHARTED ? `, the ${MAX_CHARTED} largest of ${values.length}` : '';
  return [
    barPlot({
      title: `${output} by ${by}${numbers}`,
      axis: { title: 'predicted over observed', zero: true },
      bars,
      series: shown.map(({ name }) => name),
      guide: 1,
    }),
  ];
}
