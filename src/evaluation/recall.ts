import { defineMetric, singleMetric } from './metric.js';
import { formatShare } from './share.js';
import { defineTopMetric, topOption } from './top-share.js';

/** Share of all positives within the top fraction of rows. */
export const recall = defineMetric({
  name: 'recall',
  summary: 'share of all positives within the top fraction of rows, as recall@5%',
  options: () => topOption,
  build: ({ top }) =>
    singleMetric(
      `recall@${formatShare(top)}`,
      'classification',
      'higher',
      defineTopMetric(top, ({ positives }, ranked) => {
        const all = ranked.positives.length;
        return all === 0 ? { reason: `no positives among ${ranked.negatives.length} rows` } : positives / all;
      }),
    ),
});
