import { chartsByOutput } from './by-output.js';
import { precisionPoints, rocPoints } from './curve-points.js';
import type { Section } from './section.js';

const SHARE = { format: '~%', domain: [0, 1] } as const;

/** ROC and precision-recall curves. */
export const ranking: Section = {
  title: 'ROC and precision',
  about:
    'A ROC curve above the dashed line ranks better than chance; the area below it is the AUC. If positives ' +
    'are rare, precision by recall is more informative.',
  draw: (runs) =>
    chartsByOutput(runs, [
      {
        title: 'ROC',
        computePoints: rocPoints,
        x: { title: 'false positive rate', ...SHARE },
        y: { title: 'true positive rate', ...SHARE },
        computeGuide: () => [
          [0, 0],
          [1, 1],
        ],
      },
      {
        title: 'precision by recall',
        computePoints: precisionPoints,
        x: { title: 'recall', ...SHARE },
        y: { title: 'precision', format: '~%', zero: true },
      },
    ]),
};
