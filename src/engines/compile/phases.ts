import { listOperands } from '../../graph/graph.js';
import type { Value } from '../../graph/operations.js';
import { listDifferentiated } from '../../graph/gradient-reachability.js';

/** Partitions of operations: what workers share, rows of the batch with what belongs to them, or columns. */
export const [BY_ROWS, BY_COLUMNS] = ['rows', 'columns'] as const;
type Partition = typeof BY_ROWS | typeof BY_COLUMNS;

/**
 * Puts values into phases, separated by barriers, as few as possible: all operations of a partition that are ready,
 * then the operations of the other partition, alternately. Within a phase by rows a value may read an earlier one,
 * because every worker has the same rows in both. In a phase by columns no value reads another. Towers and experts that
 * do not read each other share phases. The backward pass has the same phases in reverse.
 */
export function inPhases<Some extends Value>(
  values: readonly Some[],
  partitionOf: (value: Some) => Partition,
): readonly (readonly Some[])[] {
  const phases: Some[][] = [];
  const unplaced = new Set(values);
  /** Values that may not be read yet. */
  const waiting = new Set<Value>(values);
  const partitions = [...new Set(values.map(partitionOf))];
  for (let turn = 0; unplaced.size > 0; turn++) {
    const partition = partitions[turn % partitions.length]!;
    const isByColumns = partition === BY_COLUMNS;
    const phase: Some[] = [];
    /** Gradients that a phase by columns adds to: each once, because two shares of the columns would differ. */
    const taken = new Set<Value>();
    for (const value of unplaced) {
      const differentiated = isByColumns ? listDifferentiated(value) : [];
      if (
        partitionOf(value) !== partition ||
        listOperands(value).some((operand) => waiting.has(operand)) ||
        differentiated.some((operand) => taken.has(operand))
      )
        continue;
      for (const operand of differentiated) taken.add(operand);
      phase.push(value);
      unplaced.delete(value);
      if (!isByColumns) waiting.delete(value);
    }
    for (const value of phase) waiting.delete(value);
    if (phase.length > 0) phases.push(phase);
  }
  return phases;
}
