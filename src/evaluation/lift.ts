import { defineMetric, singleMetric } from './metric.js';
import { formatShare } from './share.js';
import { defineTopMetric, topOption } from './top-share.js';

/** Positive rate within the top fraction of rows, divided by the overall rate. */
export const lift = defineMetric({
  name: 'lift',
  summary: 'positive rate within the top fraction of rows, divided by the overall rate, as lift@5%',
  options: () => topOption,
  build: ({ top }) =>
    singleMetric(
      `lift@${formatShare(top)}`,
      'classification',
      'higher',
      defineTopMetric(top, ({ rows, positives }, ranked) => {
        const [all, numPositives] = [ranked.negatives.length + ranked.positives.length, ranked.positives.length];
        return numPositives === 0
          ? { reason: `no positives among ${all} rows` }
          : positives / rows / (numPositives / all);
      }),
    ),
});
