import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { userError } from '../../core/errors.js';
import type { Domain } from '../../graph/domain.js';
import { WORD } from '../compile/buffers.js';
import { MAX_BYTES, PAGE_BYTES } from './module.js';

/**
 * A bag whose items have their own row indices in a sharded table: indices of the addresses of these and of the
 * factors, which all tables share.
 */
interface NumberedBag {
  readonly field: string;
  readonly addresses: number;
}

/** A bag: indices of its offsets and of the addresses of its ids and factors. */
interface BagWords extends NumberedBag {
  readonly offsets: number;
}

/** Copies the bags of batches to the kernels' memory. */
export interface BagLoader {
  /**
   * Copies the bags of rows `begin` to `begin + rows`, and allocates the row indices of their items.
   * @throws UserError (data) if the items exceed the memory
   */
  load(batch: Batch, begin: number, rows: number): void;
}

/**
 * Creates a loader for the bags of a plan. The items of the fullest batch are not known in advance, so bags are stored
 * after all buffers and the memory grows on demand: by at least half, up to 4 GiB in total.
 * @param begin first byte after all buffers
 */
export function createBagLoader(
  memory: WebAssembly.Memory,
  places: readonly BagWords[],
  numbered: readonly NumberedBag[],
  begin: number,
): BagLoader {
  const factorsOf = new Map(places.map(({ field, addresses }) => [field, addresses + 1]));
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
      for (const { field } of [...places, ...places, ...numbered])
        end += itemsOf(column(batch.bags, field), from, rows) * WORD;
      reserve(end, batch);
      let at = Math.ceil(begin / WORD);
      for (const { field, offsets, addresses } of places) {
        const bag = column(batch.bags, field);
        const first = bag.offsets[from]!;
        const items = itemsOf(bag, from, rows);
        for (let b = 0; b <= rows; b++) words[offsets + b] = bag.offsets[from + b]! - first;
        words[addresses] = at * WORD;
        words[addresses + 1] = (at + items) * WORD;
        words.set(bag.ids.subarray(first, first + items), at);
        floats.set(bag.weights.subarray(first, first + items), at + items);
        at += 2 * items;
      }
      for (const { field, addresses } of numbered) {
        words[addresses] = at * WORD;
        words[addresses + 1] = words[factorsOf.get(field)!]!;
        at += itemsOf(column(batch.bags, field), from, rows);
      }
    },
  };
}

/** Returns the number of rows that a domain has for `rows` rows of a batch from `begin` on. */
export function domainRows(domain: Domain, { bags }: Batch, begin: number, rows: number): number {
  return domain.kind === 'batch' ? rows : itemsOf(column(bags, domain.field), begin, rows);
}

/** Returns the number of items of `rows` rows from `begin` on. */
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
