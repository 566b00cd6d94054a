import { defineMetric, singleMetric } from './metric.js';
import { formatShare } from './share.js';
import { defineTopMetric, topOption } from './top-share.js';

/** Positive rate within the top fraction of rows. */
export const precision = defineMetric({
  name: 'precision',
  summary: 'positive rate within the top fraction of rows, as precision@5%',
  options: () => topOption,
  build: ({ top }) =>
    singleMetric(
      `precision@${formatShare(top)}`,
      'classification',
      'higher',
      defineTopMetric(top, ({ rows, positives }) => positives / rows),
    ),
});
