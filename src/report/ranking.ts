import { chartsByOutput } from './by-output.js';
import { precisionPoints, rocPoints } from './curve-points.js';
import type { Section } from './section.js';

const SHARE = { format: '~%', domain: [0, 1] } as const;

/** How well rows are ranked, threshold by threshold. */
export const ranking: Section = {
  title: 'ROC and precision',
  about:
    'A ROC curve above the dashed line ranks better than chance; the area below it is the AUC. Where positives are rare, precision by recall tells more.',
  draw: (runs) =>
    chartsByOutput(runs, [
      {
        title: 'ROC',
        pointsOf: rocPoints,
        x: { title: 'false positive rate', ...SHARE },
        y: { title: 'true positive rate', ...SHARE },
        guideOf: () => [
          [0, 0],
          [1, 1],
        ],
      },
      {
        title: 'precision by recall',
        pointsOf: precisionPoints,
        x: { title: 'recall: share of positives found', ...SHARE },
        y: { title: 'precision: rate of positives', format: '~%', zero: true },
      },
    ]),
};
