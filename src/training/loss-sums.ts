import type { TermLoss } from '../engines/engine.js';
import type { LoopState } from './loop-state.js';

/** Name and weight of a loss term. */
export interface WeightedTerm {
  readonly name: string;
  readonly weight: number;
}

/** Mean loss of an epoch: each term over the rows that it counts, and their weighted sum. */
export interface EpochLoss {
  readonly total: number;
  readonly losses: Readonly<Record<string, number>>;
}

/** Adds a batch's losses to the sums of its epoch. */
export function addLosses(sums: LoopState['sums'], losses: ReadonlyMap<string, TermLoss>): void {
  for (const [name, { mean, rows }] of losses) {
    const sum = (sums[name] ??= { loss: 0, rows: 0 });
    sum.loss += mean * rows;
    sum.rows += rows;
  }
}

/** Computes the mean losses; a term without rows has mean 0. */
export function meanLoss(sums: LoopState['sums'], terms: readonly WeightedTerm[]): EpochLoss {
  const means = terms.map(({ name }) => {
    const { loss, rows } = sums[name] ?? { loss: 0, rows: 0 };
    return rows === 0 ? 0 : loss / rows;
  });
  return {
    total: terms.reduce((total, { weight }, i) => total + weight * means[i]!, 0),
    losses: Object.fromEntries(terms.map(({ name }, i) => [name, means[i]!])),
  };
}
