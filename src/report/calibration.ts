import { format } from 'd3-format';
import { drawFamilies } from './by-output.js';
import { histogramPoints, reliabilityPoints } from './curve-points.js';
import { html, renderCharts, renderDetails, type Html } from '../charts/html.js';
import { linePlot, type LinePlot, type Series } from '../charts/plot.js';
import { fromBins } from './ranking.js';
import { collectOutputs, shownScores, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Number of row groups in a reliability diagram. */
const GROUPS = 12;
const RATE = { format: '.2~p', type: 'log' } as const;
const asPercent = format('.2~p');
/** Formats a logit as a probability. */
const formatLogit = (logit: number): string => asPercent(1 / (1 + Math.exp(-logit)));

/** Reliability diagrams, and histograms of predictions by class. */
export const calibration: Section = {
  title: 'Calibration',
  about:
    'On the dashed line, predictions match the observed rate; below it, they are too high. Bars are 95% intervals. ' +
    'Both axes are logarithmic, so that rare and frequent events fit one chart.',
  draw(runs) {
    const outputs = collectOutputs(shownScores(runs).map(({ outputs: all }) => all));
    const reliability = drawFamilies(runs, outputs, [
      {
        title: 'reliability',
        getPoints: fromBins((bins) => reliabilityPoints(bins, GROUPS)),
        x: { title: 'mean prediction', ...RATE },
        y: { title: 'observed rate', ...RATE },
        computeGuide: diagonal,
      },
    ]);
    if (reliability === undefined) return undefined;
    const charts = outputs.main.flatMap((output) => runs.flatMap((run) => histogram(run, output, runs.length > 1)));
    const title = 'Predictions of positives and negatives';
    return html`${reliability}${renderDetails(title, html`${renderCharts(charts)}`)}`;
  },
};

/** Returns the diagonal from the smallest to the largest prediction. */
function diagonal(series: readonly Series[]): LinePlot['guide'] {
  const all = series.flatMap(({ points }) => points.map(({ x }) => x)).filter((x) => x > 0);
  return [Math.min(...all), Math.max(...all)].map((end) => [end, end] as const);
}

/** Draws the predictions of positives and negatives: two colors are enough. */
function histogram(run: ReportedRun, output: string, isNamed: boolean): readonly Html[] {
  const [positives, negatives] = (['truths', 'negatives'] as const).map((kind) =>
    fromBins((bins) => histogramPoints(bins, kind))(run, output),
  );
  if (positives!.length + negatives!.length === 0) return [];
  return [
    linePlot({
      title: `${isNamed ? `${run.name}: ` : ''}${output}`,
      x: { title: 'prediction', label: formatLogit },
      y: { title: 'share of the class', format: '~%', zero: true },
      interpolate: 'step-after',
      series: [
        { name: 'positives', points: positives! },
        { name: 'negatives', points: negatives! },
      ],
    }),
  ];
}
