import { toWords, type RowBlock } from '../../chunks/row-block.js';
import { column, readIds } from '../../core/batch.js';
import type { UserError } from '../../core/errors.js';
import { labelCheck, labelColumn } from '../../core/tasks.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { RowFormat } from '../rows/row-format.js';
import { largestWord } from '../rows/row-kernels.js';
import { shardError, type ShardColumn } from './manifest.js';

/** Returns the location of a row of a block, for errors. */
export type PlaceOf = (row: number) => string;

/**
 * Checks rows that were read.
 * @param columns columns of the manifest
 * @param format format that values are checked against; undefined if its own writer checked them
 * @throws UserError (data)
 */
export function checkRows(
  block: RowBlock,
  columns: readonly ShardColumn[],
  format: RowFormat | undefined,
  placeOf: PlaceOf,
): void {
  checkIds(block, columns, placeOf);
  if (format === undefined) return;
  checkLabels(block, format, placeOf);
  checkNumbers(block, format, placeOf);
}

/**
 * Checks that ids are below the size in the manifest, which is the size of an embedding table.
 * @throws UserError (data)
 */
export function checkIds(block: RowBlock, columns: readonly ShardColumn[], placeOf: PlaceOf): void {
  for (const each of columns) {
    const found = block.columns.get(each.name);
    if (!('size' in each) || found === undefined || found.type === 'f32') continue;
    const { name, size } = each;
    const { ids, count } = readIds(block, name);
    if (maxWord(ids, count) < size) continue;
    const index = ids.findIndex((id) => id >= size);
    const row = found.type === 'list' ? rowOfItem(found.offsets, index) : index;
    throw badRow(placeOf(row), name, `expected an id below ${size} as in the manifest, found ${ids[index]}`);
  }
}

/**
 * Checks that labels are valid for their tasks, and that the parent of a label 1 is 1.
 * @throws UserError (data)
 */
function checkLabels(block: RowBlock, format: RowFormat, placeOf: PlaceOf): void {
  const { rows } = block;
  const labelOf = (name: string): Float32Array => column(block, name, 'f32').data;
  for (const { name, type } of format.labels) {
    const data = labelOf(name);
    for (let r = 0; r < rows; r++) {
      const isValid = type === 'class' ? data[r] === 0 || data[r] === 1 : Number.isFinite(data[r]);
      if (!isValid)
        throw badRow(placeOf(r), name, `expected ${type === 'class' ? '0 or 1' : 'a finite number'}, found ${data[r]}`);
    }
  }
  for (const task of format.spec.tasks) {
    const check = labelCheck(task);
    const name = labelColumn(task);
    for (let r = 0; check !== undefined && r < rows; r++) {
      const label = labelOf(name)[r]!;
      try {
        check(label);
      } catch (error) {
        if (!(error instanceof InvalidValueError)) throw error;
        throw badRow(placeOf(r), name, `expected ${error.expected}, found ${label}`);
      }
    }
  }
  for (const { label, given } of format.funnels) {
    const labelData = labelOf(label);
    const givenData = labelOf(given);
    for (let r = 0; r < rows; r++)
      if (labelData[r] === 1 && givenData[r] !== 1)
        throw badRow(placeOf(r), label, `expected ${given} to be 1 if ${label} is 1`);
  }
}

/**
 * Checks that numbers, vectors and weights of bags are finite, and that weights are not negative for mean pooling.
 * @throws UserError (data)
 */
export function checkNumbers({ rows, columns }: RowBlock, format: RowFormat, placeOf: PlaceOf): void {
  for (const [name, each] of columns) {
    if (each.type !== 'f32') continue;
    const { data, width } = each;
    if (areFinite(data, rows * width)) continue;
    const index = data.findIndex((value) => !Number.isFinite(value));
    const expected = width === 1 ? 'a finite number' : 'finite numbers';
    throw badRow(placeOf(Math.floor(index / width)), name, `expected ${expected}, found ${data[index]}`);
  }
  for (const [name, each] of columns) {
    if (each.type !== 'list') continue;
    const { offsets, weights } = each;
    const isMean = format.fields.some(
      (field) => 'pooling' in field && field.pooling === 'mean' && field.columns.includes(name),
    );
    const end = offsets[rows]!;
    // The bits of negative numbers are above those of -0.
    if (areFinite(weights, end) && (!isMean || maxWord(weights, end) <= MINUS_0_BITS)) continue;
    const item = weights.findIndex((weight) => !Number.isFinite(weight) || (isMean && weight < 0));
    throw badRow(
      placeOf(rowOfItem(offsets, item)),
      name,
      `expected finite weights${isMean ? ' of at least 0 for mean pooling' : ''}, found ${weights[item]}`,
    );
  }
}

/** Creates the error of a row of shards. */
export function badRow(where: string, column: string, message: string): UserError {
  return shardError({ where, key: `column '${column}'`, message });
}

function rowOfItem(offsets: Uint32Array, item: number): number {
  return offsets.findIndex((offset) => offset > item) - 1;
}

/** Bits of infinity; the bits of NaN are above them. */
const INFINITY_BITS = 0x7f800000;
const MAGNITUDE_BITS = 0x7fffffff;
const MINUS_0_BITS = 0x80000000;
const SIGN_BIT = 1 << 31;

function areFinite(numbers: Float32Array, end: number): boolean {
  return maxWord(numbers, end, MAGNITUDE_BITS) < INFINITY_BITS;
}

/** Returns the maximum of the first `end` words as unsigned integers, after a bitwise and with `mask`. */
function maxWord(data: Uint32Array | Float32Array, end: number, mask = -1): number {
  const largest = largestWord(data, end, mask);
  if (largest !== undefined) return largest;
  const words = toWords(data);
  // Signed comparisons are faster: with the sign bit flipped, they order words as unsigned integers.
  let max = SIGN_BIT;
  for (let i = 0; i < end; i++) {
    const word = (words[i]! & mask) ^ SIGN_BIT;
    if (word > max) max = word;
  }
  return (max ^ SIGN_BIT) >>> 0;
}
