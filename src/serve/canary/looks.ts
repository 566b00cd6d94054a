import type { Difference } from '../../diff/compare.js';
import type { CanaryRule } from './options.js';

/** A comparison that may end a canary; JSON. */
export interface Look {
  /** 1 for the first. */
  readonly number: number;
  /** Labeled rows of the model that has fewer. */
  readonly rows: number;
  /** Confidence level of the interval. */
  readonly confidence: number;
  readonly difference: Difference;
  readonly verdict: 'better' | 'worse' | 'undecided';
}

/**
 * Schedules looks at `after`, 2 · `after`, 4 · `after`, … rows. Look k = 1, 2, … has the confidence level 1 − α / 2^k:
 * the levels of error sum to at most α, so all looks together are wrong with probability α at most (Bonferroni; a
 * spending function of Lan & DeMets 1983, Discrete Sequential Boundaries for Clinical Trials). Looks may depend on each
 * other in any way.
 */
export class Looks {
  readonly #rule: CanaryRule;
  #nextRows: number;
  #count = 0;

  constructor(rule: CanaryRule) {
    this.#rule = rule;
    this.#nextRows = rule.after;
  }

  /**
   * Looks, if enough rows are labeled.
   * @param rows labeled rows of the model that has fewer
   * @param compare returns the difference of the rule's metric with its interval
   * @returns undefined before the next look
   */
  look(rows: number, compare: (confidence: number) => Difference): Look | undefined {
    if (rows < this.#nextRows) return undefined;
    while (this.#nextRows <= rows) this.#nextRows *= 2;
    const number = ++this.#count;
    const confidence = 1 - (1 - this.#rule.confidence) / 2 ** number;
    const difference = compare(confidence);
    return { number, rows, confidence, difference, verdict: judge(difference) };
  }
}

function judge({ goal, low, high }: Difference): Look['verdict'] {
  // A metric may be undefined, as the AUC of rows of one class.
  if (low === null || high === null || (low <= 0 && high >= 0)) return 'undecided';
  return low > 0 === (goal === 'higher') ? 'better' : 'worse';
}

/** Formats a look for the log. */
export function formatLook({ number, rows, confidence, difference, verdict }: Look, { metric }: CanaryRule): string {
  const { low, high } = difference;
  const digits = (value: number): string => value.toPrecision(3);
  const interval =
    low === null || high === null ? 'undefined' : `${digits(low)} … ${digits(high)} (${digits(100 * confidence)}%)`;
  return `look ${number} at ${rows} rows: difference of ${metric} ${interval}: ${verdict}`;
}
