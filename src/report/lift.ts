import { chartsByOutput } from './by-output.js';
import { gainPoints, liftPoints } from './curve-points.js';
import type { Section } from './section.js';

const SHARE = { format: '~%', domain: [0, 1] } as const;
/** The share of rows that a lift begins at. */
const MIN_SHARE = 0.001;

/** What the best rows are worth. */
export const lift: Section = {
  title: 'Lift',
  about:
    'Rows are taken from the highest prediction down: how many times as many positives they hold as so many rows at random, and which share of all positives.',
  draw: (runs) =>
    chartsByOutput(runs, [
      {
        title: 'lift of the top rows',
        pointsOf: (bins) => liftPoints(bins, MIN_SHARE),
        x: { title: 'top share of rows', format: '~%', type: 'log' },
        y: { title: 'times the rate of all', zero: true },
        guideOf: () => [
          [MIN_SHARE, 1],
          [1, 1],
        ],
      },
      {
        title: 'positives found',
        pointsOf: gainPoints,
        x: { title: 'top share of rows', ...SHARE },
        y: { title: 'share of positives', ...SHARE },
        guideOf: () => [
          [0, 0],
          [1, 1],
        ],
      },
    ]),
};
