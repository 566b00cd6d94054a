import { durationText, parseDuration } from '../core/duration.js';
import { defineDelay } from './method.js';

/** The label at ingestion, without correction: later conversions are negatives. A lower bound to compare with. */
export const naive = defineDelay({
  name: 'naive',
  summary: 'label as known at the click or after wait, never corrected',
  options: () => ({ wait: durationText.default('0s').describe('Time from the click to the sample') }),

  build(options) {
    const waitMs = parseDuration(options.wait);
    return {
      columns: [],
      settled: [],
      outputs: 1,
      samples: (delayMs) => [
        { afterMs: waitMs, label: delayMs !== undefined && delayMs <= waitMs ? 1 : 0, values: [] },
      ],
      rows: (g, logit, label) => g.crossEntropy(logit, label),
    };
  },
});
