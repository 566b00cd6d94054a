import { InvalidValueError } from '../../text/invalid-value.js';
import { userError } from '../../core/errors.js';
import { labelCheck, labelColumn } from '../../core/tasks.js';
import { wordsOf, type RowBlock } from '../../chunks/row-block.js';
import { largestWord } from '../rows/row-kernels.js';
import type { RowFormat } from '../rows/row-format.js';
import { BLAME_DATA, type ShardColumn } from './manifest.js';

/** Where a row of a block was read, for people. */
export type PlaceOf = (row: number) => string;

/**
 * Looks at rows that were read, before anything is made of them.
 * @param columns as the manifest has them
 * @param format that rows have to keep to as if they were cells; left out where its own writer saw to it
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
 * Looks for ids that reach beyond the size that the manifest gives them, and so perhaps beyond a table.
 * @throws UserError (data)
 */
export function checkIds(block: RowBlock, columns: readonly ShardColumn[], placeOf: PlaceOf): void {
  const sizes = new Map(columns.flatMap((column) => ('size' in column ? [[column.name, column.size] as const] : [])));
  const fail = (name: string, row: number, id: number): never => {
    throw badRow(placeOf(row), name, `expected an id below ${sizes.get(name)} as in the manifest, found ${id}`);
  };
  for (const [name, ids] of block.ids) {
    const row = firstBeyond(ids, block.rows, sizes.get(name)!);
    if (row >= 0) fail(name, row, ids[row]!);
  }
  for (const [name, { offsets, ids }] of block.bags) {
    const item = firstBeyond(ids, offsets[block.rows]!, sizes.get(name)!);
    if (item >= 0) fail(name, offsets.findIndex((offset) => offset > item) - 1, ids[item]!);
  }
}

/**
 * Looks for labels that are none, and for those that are 1 where the label that they are given is not.
 * @throws UserError (data)
 */
function checkLabels({ rows, labels }: RowBlock, format: RowFormat, placeOf: PlaceOf): void {
  for (const { name, type } of format.labels) {
    const data = labels.get(name)!;
    for (let r = 0; r < rows; r++) {
      const isGood = type === 'class' ? data[r] === 0 || data[r] === 1 : Number.isFinite(data[r]);
      if (!isGood)
        throw badRow(placeOf(r), name, `expected ${type === 'class' ? '0 or 1' : 'a finite number'}, found ${data[r]}`);
    }
  }
  for (const task of format.spec.tasks) {
    const check = labelCheck(task);
    const name = labelColumn(task);
    if (check !== undefined)
      for (let r = 0; r < rows; r++)
        checked(labels.get(name)![r]!, check, (message) => badRow(placeOf(r), name, message));
  }
  for (const { label, given } of format.funnels) {
    const labelData = labels.get(label)!;
    const givenData = labels.get(given)!;
    for (let r = 0; r < rows; r++)
      if (labelData[r] === 1 && givenData[r] !== 1)
        throw badRow(placeOf(r), label, `expected ${given} to be 1 if ${label} is 1`);
  }
}

function checked(value: number, check: (value: number) => void, errorOf: (message: string) => Error): void {
  try {
    check(value);
  } catch (error) {
    throw error instanceof InvalidValueError ? errorOf(`expected ${error.expected}, found ${value}`) : error;
  }
}

/**
 * Looks for numbers, vectors and weights of bags that are not finite, and for negative weights where a mean is taken of
 * them: a cell of
 * a CSV could not hold them either.
 * @throws UserError (data)
 */
export function checkNumbers({ rows, numbers, bags, vectors }: RowBlock, format: RowFormat, placeOf: PlaceOf): void {
  for (const [name, data] of numbers) {
    if (areFinite(data, rows)) continue;
    const row = data.findIndex((value) => !Number.isFinite(value));
    throw badRow(placeOf(row), name, `expected a finite number, found ${data[row]}`);
  }
  for (const [name, { width, data }] of vectors) {
    if (areFinite(data, rows * width)) continue;
    const at = data.findIndex((value) => !Number.isFinite(value));
    throw badRow(placeOf(Math.floor(at / width)), name, `expected finite numbers, found ${data[at]}`);
  }
  for (const [name, { offsets, weights }] of bags) {
    const isMean = format.fields.some(
      (field) => field.kind === 'bag' && field.pooling === 'mean' && field.columns.includes(name),
    );
    const least = isMean ? 0 : -Infinity;
    if (isMean ? areFiniteFrom0(weights, offsets[rows]!) : areFinite(weights, offsets[rows]!)) continue;
    const item = weights.findIndex((weight) => !(Number.isFinite(weight) && weight >= least));
    const row = offsets.findIndex((offset) => offset > item) - 1;
    throw badRow(
      placeOf(row),
      name,
      `expected finite weights${isMean ? ' of at least 0 for mean pooling' : ''}, found ${weights[item]}`,
    );
  }
}

/** The error for a row of shards. */
export function badRow(where: string, column: string, message: string): Error {
  return userError('data', { where, key: `column '${column}'`, message, fix: BLAME_DATA.fix });
}

/** The first place of an id that is `size` or more, which 2^31 is at the most, or -1. */
function firstBeyond(ids: Uint32Array, end: number, size: number): number {
  const largest = largestWord(ids, end);
  if (largest !== undefined && largest < size) return -1;
  const words = wordsOf(ids);
  const last = size - 1;
  let signs = 0;
  for (let i = 0; i < end; i++) signs |= words[i]! | (last - words[i]!);
  return signs >= 0 ? -1 : ids.findIndex((id) => id >= size);
}

/** The bits of an infinity; whatever is no number has more. */
const INFINITE = 0x7f800000;
const MAGNITUDE = 0x7fffffff;
const MINUS_0 = 0x80000000;

// A loop that asks of every number takes many times as long as one that gathers signs: all are as they should be, but
// for damage.

function areFinite(numbers: Float32Array, end: number): boolean {
  const largest = largestWord(numbers, end, MAGNITUDE);
  if (largest !== undefined) return largest < INFINITE;
  const words = wordsOf(numbers);
  let signs = 0;
  for (let i = 0; i < end; i++) signs |= INFINITE - 1 - (words[i]! & MAGNITUDE);
  return signs >= 0;
}

/** Whether they are also at least 0, as -0 is. */
function areFiniteFrom0(numbers: Float32Array, end: number): boolean {
  const largest = largestWord(numbers, end);
  // Beyond the bits of -0 are those of negative numbers.
  if (largest !== undefined) return largest <= MINUS_0 && areFinite(numbers, end);
  const words = wordsOf(numbers);
  let signs = 0;
  for (let i = 0; i < end; i++) {
    const magnitude = words[i]! & MAGNITUDE;
    signs |= (INFINITE - 1 - magnitude) | (words[i]! & -magnitude);
  }
  return signs >= 0;
}
