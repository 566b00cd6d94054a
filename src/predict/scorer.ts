import type { Batch } from '../core/batch.js';
import type { EncodedBatch } from '../data/rows/row-collector.js';
import { findLargestNumber } from '../data/objects/row-problems.js';
import type { EncodedFormat } from '../data/rows/row-format.js';
import type { Program } from '../engines/engine.js';
import { quoted, userError } from '../core/errors.js';
import { findNonFinite } from '../core/tensor.js';
import { combinePredictions, type Output } from '../evaluation/outputs.js';
import type { GroupedPredictor } from './grouped-rows.js';
import type { ScoredRows } from './scored-rows.js';

/** Predicts rows of a stream. */
export interface Scorer {
  /** @throws UserError (data) for a non-finite prediction, unless such rows are skipped */
  score(rows: EncodedBatch): Promise<ScoredRows>;
  /** Rows so far, including those without a prediction. */
  readonly rows: number;
  /** Rows so far with a non-finite prediction. */
  readonly nonFiniteRows: number;
}

/** Options of a scorer. */
export interface ScorerOptions {
  readonly program: Pick<Program, 'predict'>;
  /** Outputs, one per column. */
  readonly outputs: readonly Output[];
  readonly fields: EncodedFormat['fields'];
  /** Maximum number of rows with a non-finite prediction, which is left empty. */
  readonly maxNonFiniteRows: number;
  /** Predicts rows in groups of equal values of the last kept column, which is no column of the output. */
  readonly grouped?: GroupedPredictor | undefined;
}

/** Creates a scorer with one column per output. */
export function createScorer({ program, outputs, fields, maxNonFiniteRows, grouped }: ScorerOptions): Scorer {
  let count = 0;
  let nonFiniteRows = 0;

  /** Clears predictions of rows with a non-finite prediction. */
  const emptyNonFinite = (predictions: readonly Float32Array[], batch: Batch, skipped: readonly number[]): void => {
    for (let row = 0; row < batch.rows; row++) {
      const nonFinite = outputs.filter((_, s) => !Number.isFinite(predictions[s]![row]));
      if (nonFinite.length === 0) continue;
      const number = count + row + skipped.filter((end) => end <= row).length + 1;
      if (++nonFiniteRows > maxNonFiniteRows)
        throw nonFiniteError(number, nonFinite, findLargestNumber(batch, row, fields));
      for (const values of predictions) values[row] = NaN;
    }
  };

  return {
    get rows() {
      return count;
    },
    get nonFiniteRows() {
      return nonFiniteRows;
    },
    async score({ batch, kept, typed, skipped }) {
      const inputs = grouped === undefined ? kept : kept.slice(0, -1);
      const predictRows = () =>
        grouped === undefined ? program.predict(batch) : grouped.predict(batch, withoutSkipped(kept.at(-1)!, skipped));
      const byTask = batch.rows === 0 ? undefined : await predictRows();
      const values = outputs.map((output) =>
        byTask === undefined ? new Float32Array(0) : combinePredictions(output, byTask, batch.rows),
      );
      if (values.some((column) => findNonFinite(column) >= 0)) emptyNonFinite(values, batch, skipped);
      const rows = batch.rows + skipped.length;
      count += rows;
      return {
        rows,
        inputs,
        typed,
        predictions: skipped.length === 0 ? values : values.map((column) => withGaps(column, skipped)),
      };
    },
  };
}

function nonFiniteError(row: number, outputs: readonly Output[], columns: readonly string[] | undefined): Error {
  const cause =
    columns === undefined
      ? ''
      : `, because ${columns.map((column) => `column ${quoted(column)}`).join(' and ')} is too large`;
  const message = `its prediction of ${outputs.map(({ name }) => name).join(', ')} is not finite${cause}`;
  return userError('data', {
    where: `row ${row} of the data`,
    message,
    fix: 'correct the row, or leave its prediction empty with --on-bad-row skip',
  });
}

/** Returns the values of rows that are not skipped. */
function withoutSkipped(values: readonly string[], skipped: readonly number[]): readonly string[] {
  if (skipped.length === 0) return values;
  const excluded = new Set(skipped.map((before, s) => before + s));
  return values.filter((_, row) => !excluded.has(row));
}

/** Returns the values, with NaN for each skipped row. */
function withGaps(values: Float32Array, skipped: readonly number[]): Float32Array {
  const all = new Float32Array(values.length + skipped.length).fill(NaN);
  let from = 0;
  for (const [s, end] of [...skipped, values.length].entries()) {
    all.set(values.subarray(from, end), from + s);
    from = end;
  }
  return all;
}
