import { column, type BagColumn, type Batch } from '../../core/batch.js';
import type { InputLayout, Pooling } from '../../tables/layout.js';
import { userError } from '../../core/errors.js';
import { WORD, type Arena } from '../compile/arena.js';
import { MAX_BYTES, PAGE_BYTES } from './module.js';

/** Where what is known of a bag before there is a batch lies. */
export interface BagPlace {
  readonly field: string;
  /** Of `maxRows` + 1 words: where the items of a row begin, and those of the last end. */
  readonly offsets: number;
  /** Two addresses, of the items' ids and of their factors: a batch decides them. */
  readonly addresses: number;
}

/** The bags of a layout. */
export function placeBags({ columns }: InputLayout, arena: Arena, maxRows: number): ReadonlyMap<string, BagPlace> {
  const fields = columns.flatMap(({ kind, field }) => (kind === 'bag' ? [field] : []));
  return new Map(
    fields.map((field) => [
      field,
      { field, offsets: arena.take(`offsets ${field}`, maxRows + 1), addresses: arena.take(`bag ${field}`, 2) },
    ]),
  );
}

/** The numbers by which the kernel knows a pooling; a sum's factors are its weights, and no kernel is called. */
export const POOLING_NUMBERS: Readonly<Record<Exclude<Pooling, 'sum'>, number>> = { mean: 1, sqrtn: 2 };

/**
 * A bag whose rows a table numbers by itself: where its two addresses lie, of these numbers and of the factors, which
 * all share.
 */
interface NumberedBag {
  readonly field: string;
  readonly addresses: number;
}

/** Puts the bags of batches where kernels find them. */
export interface BagLoader {
  /**
   * Copies the bags of rows `begin` to `begin + rows`, and makes room for the numbers of their items.
   * @throws UserError (data) for more items than the memory can take
   */
  load(batch: Batch, begin: number, rows: number): void;
}

/**
 * A loader for the bags of a plan. Nobody knows how many items the fullest batch will have, so they lie behind
 * everything else, and
 * the memory grows as it must: by half as much again at least, and never more than 4 GiB in all.
 * @param begin the first byte behind everything else
 */
export function createBagLoader(
  memory: WebAssembly.Memory,
  places: ReadonlyMap<string, BagPlace>,
  numbered: readonly NumberedBag[],
  begin: number,
): BagLoader {
  let words = new Uint32Array(memory.buffer);
  let floats = new Float32Array(memory.buffer);

  const reserve = (end: number, batch: Batch): void => {
    const bytes = memory.buffer.byteLength;
    if (end <= bytes) return;
    const wanted = Math.min(MAX_BYTES, end + (end - begin) / 2);
    if (end > MAX_BYTES) throw tooManyItems(batch, end - MAX_BYTES);
    memory.grow(Math.ceil((wanted - bytes) / PAGE_BYTES));
    words = new Uint32Array(memory.buffer);
    floats = new Float32Array(memory.buffer);
  };

  return {
    load(batch, from, rows) {
      let end = Math.ceil(begin / WORD) * WORD;
      for (const { field } of [...places.values(), ...places.values(), ...numbered])
        end += itemsOf(column(batch.bags, field), from, rows) * WORD;
      reserve(end, batch);
      let at = Math.ceil(begin / WORD);
      for (const { field, offsets, addresses } of places.values()) {
        const bag = column(batch.bags, field);
        const first = bag.offsets[from]!;
        const items = itemsOf(bag, from, rows);
        for (let b = 0; b <= rows; b++) words[offsets / WORD + b] = bag.offsets[from + b]! - first;
        words[addresses / WORD] = at * WORD;
        words[addresses / WORD + 1] = (at + items) * WORD;
        words.set(bag.ids.subarray(first, first + items), at);
        floats.set(bag.weights.subarray(first, first + items), at + items);
        at += 2 * items;
      }
      for (const { field, addresses } of numbered) {
        words[addresses / WORD] = at * WORD;
        words[addresses / WORD + 1] = words[places.get(field)!.addresses / WORD + 1]!;
        at += itemsOf(column(batch.bags, field), from, rows);
      }
    },
  };
}

/** Items of so many rows from one on. */
export function itemsOf({ offsets }: BagColumn, begin: number, rows: number): number {
  return offsets[begin + rows]! - offsets[begin]!;
}

function tooManyItems({ rows, bags }: Batch, missing: number): Error {
  const counts = [...bags].map(([field, bag]) => [field, itemsOf(bag, 0, rows)] as const).sort(([, a], [, b]) => b - a);
  const list = counts.slice(0, 3).map(([field, count]) => `'${field}' with ${count}`);
  return userError('data', {
    key: 'features',
    message:
      `the bags of a batch of ${rows} rows exceed the 4 GiB of a WebAssembly memory by ` +
      `${Math.ceil(missing / 2 ** 20)} MiB (most items: ${list.join(', then ')})`,
    fix: 'set maxItems for these fields, or reduce training.batchSize',
  });
}
