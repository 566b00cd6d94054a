import { normalQuantile } from '../evaluation/normal-quantile.js';
import type { ScoreSums } from '../evaluation/score-bins.js';
import { html, renderDetails, renderTable, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { count } from '../text/number-text.js';
import { renderCharts } from './by-output.js';
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
    return html`${renderWorst(shown)}${renderDetails('All segments', html`${renderCharts(charts)}`)}`;
  },
};

/** A segment of an output, and how many standard errors it is off. */
interface Segment {
  readonly name: string;
  readonly sums: ScoreSums;
  readonly z: number;
}

/** Renders the segments that are off by more than chance: all of a single run, the worst of each of several. */
function renderWorst(shown: readonly ShownScores[]): Html {
  const found = shown.map((scores) => ({ name: scores.name, ...findWorst(scores) }));
  const isSingle = found.length === 1;
  const rows = found.flatMap(({ name, worst, numSegments }) =>
    worst
      .slice(0, isSingle ? MAX_LISTED : 1)
      .map(({ name: segment, sums }) => [
        isSingle ? segment : `${name}: ${segment}`,
        ...(isSingle ? [] : [`${worst.length} of ${numSegments}`]),
        count(sums.positives),
        count(sums.predicted),
        sums.positives === 0 ? '-' : (sums.predicted / sums.positives).toFixed(2),
      ]),
  );
  const [{ worst, numSegments }] = found as [(typeof found)[number]];
  const text = isSingle
    ? `${worst.length} of ${count(numSegments)} segments are off by more than chance`
    : `Segments that are off by more than chance, and the worst of each run`;
  if (rows.length === 0) return html`<p>No segment is off by more than chance.</p>`;
  const header = ['', ...(isSingle ? [] : ['off']), 'observed', 'predicted', 'ratio'];
  return html`<p>${text}:</p>${renderTable(header, rows)}`;
}

/** Finds the segments that are off by more than chance, the most certain first. */
function findWorst({ segments: all }: ShownScores): {
  readonly worst: readonly Segment[];
  readonly numSegments: number;
} {
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
  return { worst, numSegments: measured.length };
}

/**
 * Computes how many standard errors the observed positives are from the predicted ones. The variance of independent
 * labels is at most that of a constant prediction.
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
