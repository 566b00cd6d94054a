import { column, readIds, type Batch } from '../core/batch.js';
import type { EncodedField } from '../features/feature.js';

/** A column of the matrix that a tree is trained on. */
export interface TreeColumn {
  readonly name: string;
  /** Whether values are categories, numbers from 0, rather than numbers with an order. */
  readonly isCategorical: boolean;
}

/** Columns of one or all fields, and how the values of a batch are written to them. */
export interface TreeColumns {
  readonly columns: readonly TreeColumn[];
  /**
   * Writes the values of a batch.
   * @param into `[rows, stride]`, row by row, zeros
   * @param offset of the first column
   */
  write(batch: Batch, into: Float32Array, stride: number, offset: number): void;
}

/** Maximum number of categories of a column; a larger vocabulary keeps the most frequent ids and gets their counts. */
export const MAX_CATEGORIES = 1024;
/** Maximum number of items of a bag with a column of their own. */
export const MAX_BAG_ITEMS = 32;

/** By field: the number of training rows (ids) or items (bags) with each id. */
export type IdCounts = ReadonlyMap<string, Uint32Array>;

/** Returns whether a field is a combination of columns, which a tree finds by itself. */
function isCross({ kind, columns }: EncodedField): boolean {
  return kind === 'id' && columns.length > 1;
}

/** Returns whether ids are in the order of a number. */
function isOrdered({ rule }: EncodedField): boolean {
  return rule?.kind === 'range';
}

/**
 * Counts the ids of the fields whose columns depend on it.
 * @param batches the training set, read once if ids must be counted
 */
export async function countTreeIds(
  fields: readonly EncodedField[],
  batches: () => AsyncIterable<{ readonly batch: Batch }>,
): Promise<IdCounts> {
  const counted = fields.filter((field) => !isCross(field) && needsCounts(field));
  const counts = new Map(counted.map(({ name, rows }) => [name, new Uint32Array(rows)]));
  if (counts.size > 0) for await (const { batch } of batches()) countIds(batch, counts);
  return counts;
}

/**
 * Plans the columns of a tree. Numbers, vectors, positions between knots and ordered ids are numbers; other ids are
 * categories. A bag, and a field of a sequence, has a column per frequent item, the sum of its weights, and one with
 * the number of items; numbers of items have their mean. Crosses are excluded. Labels are never used.
 * @param counts of `countTreeIds`
 */
export function planTreeColumns(fields: readonly EncodedField[], counts: IdCounts): TreeColumns {
  const parts = fields.filter((field) => !isCross(field)).map((field) => fieldColumns(field, counts));
  return {
    columns: parts.flatMap(({ columns }) => columns),
    write(batch, into, stride, offset) {
      let at = offset;
      for (const part of parts) {
        part.write(batch, into, stride, at);
        at += part.columns.length;
      }
    },
  };
}

function needsCounts(field: EncodedField): boolean {
  return (
    field.kind === 'bag' ||
    field.kind === 'item' ||
    (field.kind === 'id' && !isOrdered(field) && field.rows > MAX_CATEGORIES)
  );
}

function countIds(batch: Batch, counts: IdCounts): void {
  for (const [name, count] of counts) {
    const { ids, count: size } = readIds(batch, name);
    for (let i = 0; i < size; i++) count[ids[i]!]!++;
  }
}

function fieldColumns(field: EncodedField, counts: IdCounts): TreeColumns {
  const { name, kind } = field;
  if (kind === 'vector') return vectorColumns(name, field.width);
  if (kind === 'bag' || kind === 'item') return bagColumns(name, mostFrequent(counts.get(name)!, MAX_BAG_ITEMS));
  if (kind === 'itemNumber') return meanColumn(name);
  if (kind === 'number') return copiedColumn(name, false, (batch) => column(batch, name, 'f32').data);
  const count = counts.get(name);
  if (count === undefined) return copiedColumn(name, !isOrdered(field), (batch) => column(batch, name, 'u32').data);
  return frequentColumns(name, count);
}

function copiedColumn(
  name: string,
  isCategorical: boolean,
  valuesOf: (batch: Batch) => ArrayLike<number>,
): TreeColumns {
  return {
    columns: [{ name, isCategorical }],
    write(batch, into, stride, offset) {
      const values = valuesOf(batch);
      for (let row = 0; row < batch.rows; row++) into[row * stride + offset] = values[row]!;
    },
  };
}

/** Columns of a large vocabulary: the most frequent ids as categories, others missing, and the count of each id. */
function frequentColumns(name: string, count: Uint32Array): TreeColumns {
  const categories = mostFrequent(count, MAX_CATEGORIES);
  return {
    columns: [
      { name, isCategorical: true },
      { name: `${name} (count)`, isCategorical: false },
    ],
    write(batch, into, stride, offset) {
      const ids = column(batch, name, 'u32').data;
      for (let row = 0; row < batch.rows; row++) {
        into[row * stride + offset] = categories.get(ids[row]!) ?? NaN;
        into[row * stride + offset + 1] = count[ids[row]!]!;
      }
    },
  };
}

function vectorColumns(name: string, width: number): TreeColumns {
  return {
    columns: Array.from({ length: width }, (_, i) => ({ name: `${name}[${i}]`, isCategorical: false })),
    write(batch, into, stride, offset) {
      const { data } = column(batch, name, 'f32');
      for (let row = 0; row < batch.rows; row++)
        into.set(data.subarray(row * width, (row + 1) * width), row * stride + offset);
    },
  };
}

function bagColumns(name: string, items: ReadonlyMap<number, number>): TreeColumns {
  return {
    columns: [
      ...Array.from(items.keys(), (id) => ({ name: `${name}=${id}`, isCategorical: false })),
      { name: `${name} (items)`, isCategorical: false },
    ],
    write(batch, into, stride, offset) {
      const { offsets, ids, weights } = column(batch, name, 'list');
      for (let row = 0; row < batch.rows; row++) {
        const begin = row * stride + offset;
        for (let i = offsets[row]!; i < offsets[row + 1]!; i++) {
          const place = items.get(ids[i]!);
          if (place !== undefined) into[begin + place]! += weights[i]!;
        }
        into[begin + items.size] = offsets[row + 1]! - offsets[row]!;
      }
    },
  };
}

/** The mean of the numbers of a row's items, 0 without items. */
function meanColumn(name: string): TreeColumns {
  return {
    columns: [{ name: `${name} (mean)`, isCategorical: false }],
    write(batch, into, stride, offset) {
      const { offsets, weights } = column(batch, name, 'list');
      for (let row = 0; row < batch.rows; row++) {
        const [begin, end] = [offsets[row]!, offsets[row + 1]!];
        const sum = weights.subarray(begin, end).reduce((total, weight) => total + weight, 0);
        into[row * stride + offset] = sum / Math.max(end - begin, 1);
      }
    },
  };
}

/** Returns the places of the most frequent ids, by id; of equally frequent ones, those with the smaller ids. */
function mostFrequent(count: Uint32Array, limit: number): ReadonlyMap<number, number> {
  const ids = Array.from(count.keys()).filter((id) => count[id]! > 0);
  ids.sort((a, b) => count[b]! - count[a]! || a - b);
  return new Map(ids.slice(0, limit).map((id, place) => [id, place]));
}
