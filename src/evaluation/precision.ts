import { defineMetric, singleMetric } from './metric.js';
import { shareName } from './share.js';
import { ofTop, topOption } from './top.js';

/** The rate of positives among the rows with the highest predictions. */
export const precision = defineMetric({
  name: 'precision',
  summary: 'rate of positives among the top share of the rows, as precision@5%',
  options: () => topOption,
  build: ({ top }) => singleMetric(`precision@${shareName(top)}`, 'classification', 'higher', ofTop(top, ({ rows, positives }) => positives / rows)),
});
