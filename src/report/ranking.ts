import { drawFamilies, type Family } from './by-output.js';
import { gainPoints, liftPoints, precisionPoints, rocPoints } from './curve-points.js';
import { collectOutputs, shownScores, type ReportedRun } from './reported-run.js';
import type { ScoreBins } from '../evaluation/score-bins.js';
import type { Series } from '../charts/plot.js';
import type { Section } from './section.js';

const SHARE = { format: '~%', domain: [0, 1] } as const;
/** Smallest top share of rows shown. */
const MIN_SHARE = 0.001;

/** Computes the line of an output's histogram. */
export const fromBins =
  (compute: (bins: ScoreBins) => Series['points']) =>
  (run: ReportedRun, output: string): Series['points'] => {
    const bins = shownScores([run])[0]!.outputs[output];
    const points = bins === undefined ? [] : compute(bins);
    return points.length > 1 ? points : [];
  };

const diagonal: Family['computeGuide'] = () => [
  [0, 0],
  [1, 1],
];

/** ROC, precision-recall, lift and gain curves. */
export const ranking: Section = {
  title: 'Ranking',
  about:
    'How well the predictions order the rows. The area below the ROC curve is the AUC; the dashed line is chance. If ' +
    'positives are rare, precision and lift are more informative.',
  draw: (runs) =>
    drawFamilies(runs, collectOutputs(shownScores(runs).map(({ outputs }) => outputs)), [
      {
        title: 'ROC',
        getPoints: fromBins(rocPoints),
        x: { title: 'false positive rate', ...SHARE },
        y: { title: 'true positive rate', ...SHARE },
        computeGuide: diagonal,
      },
      {
        title: 'precision by recall',
        getPoints: fromBins(precisionPoints),
        x: { title: 'recall', ...SHARE },
        y: { title: 'precision', format: '~%', zero: true },
      },
      {
        title: 'lift of the top rows',
        getPoints: fromBins((bins) => liftPoints(bins, MIN_SHARE)),
        x: { title: 'top share of rows', format: '~%', type: 'log' },
        y: { title: 'relative rate of positives', zero: true },
        computeGuide: () => [
          [MIN_SHARE, 1],
          [1, 1],
        ],
      },
      {
        title: 'positives found in the top rows',
        getPoints: fromBins(gainPoints),
        x: { title: 'top share of rows', ...SHARE },
        y: { title: 'share of positives', ...SHARE },
        computeGuide: diagonal,
      },
    ]),
};
