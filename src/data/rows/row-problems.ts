import type { Batch } from '../../core/batch.js';
import type { Problem } from '../../core/errors.js';
import type { EncodedField } from '../../features/feature.js';
import type { BadCell } from './encode-values.js';
import { problemOfAbsent, problemOfCell, type BadRow, type GivenRows } from './object-rows.js';
import { predictionProblem } from './prediction-problem.js';

/** Collects what is wrong with rows. */
export interface RowProblems {
  addAbsent(row: number, column: string): void;
  addCell(cell: BadCell): void;
  /**
   * Adds rows whose cells are fine and whose predictions are not finite.
   * @param results predictions of all rows by output
   * @param begin number of the batch's first row
   */
  addNonFinite(
    results: readonly { readonly name: string; readonly values: Float32Array }[],
    batch: Batch,
    begin: number,
  ): void;
  /** The bad rows so far, in their order. */
  list(): readonly BadRow[];
}

/** Creates a collection for rows that are encoded for some fields. */
export function collectRowProblems(fields: readonly EncodedField[], given: GivenRows): RowProblems {
  const read = new Set(fields.flatMap(({ columns }) => columns));
  const bad = new Map<number, BadRow>();
  const absent = new Map<number, Set<string>>();
  const add = (row: number, problem: Problem): void =>
    void bad.set(row, { row, source: 'input', problems: [...(bad.get(row)?.problems ?? []), problem] });
  return {
    addAbsent(row, column) {
      absent.set(row, (absent.get(row) ?? new Set()).add(column));
      add(row, problemOfAbsent(row, column, given, read));
    },
    addCell(cell) {
      // That a column is missing is enough.
      if (!cell.columns.some((column) => absent.get(cell.row)?.has(column) === true))
        add(cell.row, problemOfCell(cell, given, read));
    },
    addNonFinite(results, batch, begin) {
      for (let row = begin; row < begin + batch.rows; row++) {
        if (results.every(({ values }) => Number.isFinite(values[row])) || bad.has(row)) continue;
        const outputs = results
          .map(({ name, values }) => ({ name, value: values[row]! }))
          .filter(({ value }) => !Number.isFinite(value));
        bad.set(row, {
          row,
          source: 'prediction',
          problems: [predictionProblem({ row, batchRow: row - begin, outputs }, batch, fields, given)],
        });
      }
    },
    list: () => [...bad.values()].sort((a, b) => a.row - b.row),
  };
}
