import type { Batch } from '../../core/batch.js';
import { quoted, type Problem } from '../../core/errors.js';
import type { EncodedField } from '../../features/feature.js';
import { columnKey, rowPlace, type GivenRows } from './object-rows.js';

/** Encoded numbers from here on are taken to be why a prediction is not finite. */
const MIN_SUSPECT = 1e6;

/** A row whose predictions are not all finite. */
export interface NonFiniteRow {
  /** Its number among all rows. */
  readonly row: number;
  /** Its number in the batch. */
  readonly batchRow: number;
  readonly outputs: readonly { readonly name: string; readonly value: number }[];
}

/** Describes a row without a finite prediction, and the largest number among its cells if that explains it. */
export function predictionProblem(
  { row, batchRow, outputs }: NonFiniteRow,
  batch: Batch,
  fields: readonly EncodedField[],
  given: GivenRows,
): Problem {
  const values = outputs
    .map(({ value }) => value)
    .filter((value, i, all) => all.findIndex((other) => Object.is(other, value)) === i);
  const suspect = findLargestNumber(batch, batchRow, fields);
  const fix =
    suspect === undefined
      ? 'retrain the model with a lower learning rate'
      : `correct ${columnKey(suspect)}: ` +
        `${suspect.map((column) => quoted(given.cellsOf(column)(row))).join(', ')} is too large`;
  return {
    where: given.placeOf?.(row) ?? rowPlace(row),
    key: `output ${outputs.map(({ name }) => quoted(name)).join(', ')}`,
    message: `expected a finite prediction, found ${values.join(', ')}`,
    fix,
  };
}

/**
 * Finds the columns of the largest encoded number of a row; undefined if none is large enough to explain a prediction
 * that is not finite.
 */
export function findLargestNumber(
  { numbers, vectors }: Batch,
  row: number,
  fields: readonly EncodedField[],
): readonly string[] | undefined {
  let found: readonly string[] | undefined;
  let largest = MIN_SUSPECT;
  for (const { name, columns } of fields) {
    const vector = vectors?.get(name);
    const values =
      vector === undefined
        ? (numbers.get(name)?.subarray(row, row + 1) ?? [])
        : vector.data.subarray(row * vector.width, (row + 1) * vector.width);
    for (const value of values) {
      if (!(Math.abs(value) >= largest)) continue;
      [largest, found] = [Math.abs(value), columns];
    }
  }
  return found;
}
