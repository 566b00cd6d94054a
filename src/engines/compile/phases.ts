import { listOperands } from '../../graph/graph.js';
import type { Value } from '../../graph/operations.js';
import { listDifferentiated } from '../../graph/gradient-reachability.js';

/**
 * Puts values into phases with a barrier between two of them, as few as there can be: all work by rows that is ready,
 * then all
 * work by columns that is ready, in turns. Within a phase by rows a value may read an earlier one, since every worker
 * has the
 * same rows in both; in a phase by columns none reads another. Towers and experts that do not read each other share
 * phases.
 * Backward, the same phases hold in reverse.
 */
export function inPhases<Some extends Value>(
  values: readonly Some[],
  isByColumns: (value: Some) => boolean,
): readonly (readonly Some[])[] {
  const phases: Some[][] = [];
  const unplaced = new Set(values);
  /** What may not be read yet. */
  const waiting = new Set<Value>(values);
  for (let columns = false; unplaced.size > 0; columns = !columns) {
    const phase: Some[] = [];
    /** What a phase by columns adds to when going backward: once, since two shares of the columns would differ. */
    const taken = new Set<Value>();
    for (const value of unplaced) {
      const differentiated = columns ? listDifferentiated(value) : [];
      if (
        isByColumns(value) !== columns ||
        listOperands(value).some((operand) => waiting.has(operand)) ||
        differentiated.some((operand) => taken.has(operand))
      )
        continue;
      for (const operand of differentiated) taken.add(operand);
      phase.push(value);
      unplaced.delete(value);
      if (!columns) waiting.delete(value);
    }
    for (const value of phase) waiting.delete(value);
    if (phase.length > 0) phases.push(phase);
  }
  return phases;
}
