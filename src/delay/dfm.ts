import { parseDuration } from '../core/duration.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { byLabel, defineDelay, outputAt } from './method.js';
import { classifyOutcome } from './observed.js';
import { waitOption } from './options.js';

/** Maximum of the logarithm of the rate, in windows. */
const MAX_LOG_RATE = 12;

/**
 * Delayed feedback model (Chapelle 2014, https://dl.acm.org/doi/10.1145/2623330.2623634): delays are exponential with
 * rate λ = e^s, an output of the task's tower. A conversion after d has the loss -log p - log λ + λ d; a row without
 * one after e has -log(1 - p + p e^(-λ e)). The paper trains on one snapshot of the log. In a stream, a row is trained
 * after `wait`, and again when it converts or its window ends; the later loss then subtracts the earlier one, so that
 * their sum is the loss of the paper. Times are in windows.
 */
export const dfm = defineDelay({
  name: 'dfm',
  summary: 'likelihood of conversion and exponential delay',
  options: () => ({ wait: waitOption }),

  build({ wait }, windowMs) {
    const waitMs = parseDuration(wait);
    const first = waitMs / windowMs;
    return {
      columns: ['elapsed', 'before'],
      settled: [1, 0],
      outputs: 2,
      samples(delayMs) {
        const { early } = classifyOutcome(delayMs, waitMs);
        if (delayMs !== undefined && early === 1)
          return [{ afterMs: waitMs, label: 1, values: [delayMs / windowMs, 0] }];
        return [
          { afterMs: waitMs, label: 0, values: [first, 0] },
          delayMs === undefined
            ? { afterMs: windowMs, label: 0, values: [1, first] }
            : { afterMs: delayMs, label: 1, values: [delayMs / windowMs, first] },
        ];
      },
      rows(g, out, label, columns) {
        const [elapsed, before] = columns as [Value, Value];
        const logit = outputAt(g, out, 0);
        const logRate = g.clip(outputAt(g, out, 1), -MAX_LOG_RATE, MAX_LOG_RATE);
        const rate = g.map(logRate, 'exp');
        const positive = g.add(
          g.add(g.map(g.affine(logit, -1, 0), 'softplus'), g.affine(logRate, -1, 0)),
          g.multiply(rate, elapsed),
        );
        const loss = byLabel(g, label, positive, survivalLoss(g, logit, rate, elapsed));
        return g.add(loss, g.affine(survivalLoss(g, logit, rate, before), -1, 0));
      },
    };
  },
});

/** Computes -log(1 - p + p e^(-λ t)) of a logit z: log(1 + e^z) - log(1 + e^(z - λ t)). */
function survivalLoss(g: GraphBuilder, logit: Value, rate: Value, time: Value): Value {
  const later = g.add(logit, g.affine(g.multiply(rate, time), -1, 0));
  return g.add(g.map(logit, 'softplus'), g.affine(g.map(later, 'softplus'), -1, 0));
}
