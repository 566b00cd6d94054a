import { format } from 'd3-format';
import type { ScoreBins } from '../evaluation/score-bins.js';
import { chartsByOutput } from './by-output.js';
import { histogramPoints, reliabilityPoints } from './curve-points.js';
import { html, type Html } from '../charts/html.js';
import { linePlot, type LinePlot, type Series } from '../charts/plot.js';
import { collectKeys, shownScores, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Number of row groups in a reliability diagram. */
const GROUPS = 12;
const asPercent = format('.2~p');
/** Formats a logit as a probability. */
const formatLogit = (logit: number): string => asPercent(1 / (1 + Math.exp(-logit)));

/** Reliability diagrams, and histograms of predictions by class. */
export const calibration: Section = {
  title: 'Calibration',
  about:
    'On the dashed line, predictions match the observed rate; below it, they are too high. Bars are 95% ' +
    'intervals. The histograms show the predictions of positives and negatives.',
  draw(runs) {
    const reliability = chartsByOutput(runs, [
      {
        title: 'reliability',
        computePoints: (bins) => reliabilityPoints(bins, GROUPS),
        points: true,
        x: { title: 'mean prediction', format: '.2~p' },
        y: { title: 'observed rate', format: '.2~p' },
        computeGuide: diagonal,
      },
    ]);
    if (reliability === undefined) return undefined;
    return html`${reliability}<div class="charts">${histograms(runs)}</div>`;
  },
};

/** Returns the diagonal, up to the largest prediction. */
function diagonal(series: readonly Series[]): LinePlot['guide'] {
  const end = Math.max(...series.flatMap(({ points }) => points.map(({ x, high }) => Math.max(x, high ?? 0))));
  return [
    [0, 0],
    [end, end],
  ];
}

/** Draws the predictions of positives and negatives, for the first split of each run: two colors are enough. */
function histograms(runs: readonly ReportedRun[]): readonly Html[] {
  const shown = runs.length === 1 ? shownScores(runs).slice(0, 1) : shownScores(runs);
  const drawn: Html[] = [];
  for (const output of collectKeys(shown.map(({ outputs }) => outputs))) {
    for (const { name, outputs } of shown) {
      const bins: ScoreBins | undefined = outputs[output];
      if (bins === undefined) continue;
      const series = (['negatives', 'truths'] as const).map((kind) => ({
        name: kind === 'truths' ? 'positives' : 'negatives',
        points: histogramPoints(bins, kind),
      }));
      drawn.push(
        linePlot({
          title: `${output}: predictions, ${name}`,
          x: { title: 'prediction', label: formatLogit },
          y: { title: 'share of the class', format: '~%', zero: true },
          interpolate: 'step-after',
          series,
        }),
      );
    }
  }
  return drawn;
}
