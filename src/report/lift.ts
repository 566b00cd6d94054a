import { chartsByOutput } from './by-output.js';
import { gainPoints, liftPoints } from './curve-points.js';
import type { Section } from './section.js';

const SHARE = { format: '~%', domain: [0, 1] } as const;
/** Smallest share of rows shown. */
const MIN_SHARE = 0.001;

/** Lift and gain of the top rows. */
export const lift: Section = {
  title: 'Lift',
  about:
    'For the rows with the highest predictions: their rate of positives relative to all rows, and their share ' +
    'of all positives.',
  draw: (runs) =>
    chartsByOutput(runs, [
      {
        title: 'lift of the top rows',
        computePoints: (bins) => liftPoints(bins, MIN_SHARE),
        x: { title: 'top share of rows', format: '~%', type: 'log' },
        y: { title: 'relative rate of positives', zero: true },
        computeGuide: () => [
          [MIN_SHARE, 1],
          [1, 1],
        ],
      },
      {
        title: 'positives found',
        computePoints: gainPoints,
        x: { title: 'top share of rows', ...SHARE },
        y: { title: 'share of positives', ...SHARE },
        computeGuide: () => [
          [0, 0],
          [1, 1],
        ],
      },
    ]),
};
