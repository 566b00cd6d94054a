import { format } from 'd3-format';
import type { ScoreBins } from '../evaluation/score-bins.js';
import { chartsByOutput } from './by-output.js';
import { histogramPoints, reliabilityPoints } from './curve-points.js';
import { html, type Html } from '../charts/html.js';
import { linePlot, type LinePlot, type Series } from '../charts/plot.js';
import { namesIn, shownScores, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Groups of rows of a reliability diagram. */
const GROUPS = 12;
const asPercent = format('.2~p');
/** What a logit is as a probability. */
const AS_PROBABILITY = (logit: number): string => asPercent(1 / (1 + Math.exp(-logit)));

/** Whether predictions are as high as what comes true. */
export const calibration: Section = {
  title: 'Calibration',
  about:
    'Points on the dashed line are predictions that come true as often as they say, with the interval that chance allows so many rows (95%); below it they are too high. The histograms show how predictions lie, of positives and of negatives.',
  draw(runs) {
    const reliability = chartsByOutput(runs, [
      {
        title: 'reliability',
        pointsOf: (bins) => reliabilityPoints(bins, GROUPS),
        points: true,
        x: { title: 'mean prediction', format: '.2~p' },
        y: { title: 'rate of positives', format: '.2~p' },
        guideOf: diagonal,
      },
    ]);
    if (reliability === undefined) return undefined;
    return html`${reliability}<div class="charts">${histograms(runs)}</div>`;
  },
};

/** Where predictions come true, as far as there are any. */
function diagonal(series: readonly Series[]): LinePlot['guide'] {
  const end = Math.max(...series.flatMap(({ points }) => points.map(({ x, high }) => Math.max(x, high ?? 0))));
  return [
    [0, 0],
    [end, end],
  ];
}

/** Of the first split of each run, so that two colors are enough. */
function histograms(runs: readonly ReportedRun[]): readonly Html[] {
  const shown = runs.length === 1 ? shownScores(runs).slice(0, 1) : shownScores(runs);
  const drawn: Html[] = [];
  for (const space of namesIn(shown.map(({ outputs: spaces }) => spaces))) {
    for (const { name, outputs: spaces } of shown) {
      const bins: ScoreBins | undefined = spaces[space];
      if (bins === undefined) continue;
      const series = (['negatives', 'truths'] as const).map((kind) => ({
        name: kind === 'truths' ? 'positives' : 'negatives',
        points: histogramPoints(bins, kind),
      }));
      drawn.push(
        linePlot({
          title: `${space}: predictions, ${name}`,
          x: { title: 'prediction', label: AS_PROBABILITY },
          y: { title: 'share of the class', format: '~%', zero: true },
          interpolate: 'step-after',
          series,
        }),
      );
    }
  }
  return drawn;
}
