import { column, type Batch } from '../../core/batch.js';
import { userError } from '../../core/errors.js';
import { WORD } from '../compile/buffers.js';
import { countItems, loadOffsets, type ItemWords } from '../state/items.js';
import { MAX_BYTES, PAGE_BYTES } from './module.js';

/** A bag whose items have their own row indices in a sharded table: the index of its addresses. */
interface NumberedBag {
  readonly field: string;
  readonly bag: number;
}

/** Copies the items of batches to the kernels' memory. */
export interface ItemLoader {
  /**
   * Copies the items of rows `begin` to `begin + rows`, and allocates the row indices of numbered bags.
   * @throws UserError (data) if the items exceed the memory
   */
  load(batch: Batch, begin: number, rows: number): void;
}

/**
 * Creates a loader for the items of a plan. The items of the fullest batch are not known in advance, so those without a
 * buffer are stored after all buffers and the memory grows on demand: by at least half, up to 4 GiB in total.
 * @param begin first byte after all buffers
 */
export function createItemLoader(
  memory: WebAssembly.Memory,
  places: readonly ItemWords[],
  numbered: readonly NumberedBag[],
  begin: number,
): ItemLoader {
  const factorsOf = new Map(places.map(({ field, bag }) => [field, bag! + 1]));
  /** Fields by the arrays that are stored after all buffers. */
  const stored = [
    ...places.flatMap(({ field, bag, ids, factors }) =>
      bag === undefined ? [] : [ids, factors].flatMap((at) => (at === undefined ? [field] : [])),
    ),
    ...numbered.map(({ field }) => field),
  ];
  let words = new Uint32Array(memory.buffer);
  let floats = new Float32Array(memory.buffer);

  const reserve = (end: number, batch: Batch): void => {
    const bytes = memory.buffer.byteLength;
    const wanted = Math.min(MAX_BYTES, end + (end - begin) / 2);
    if (end > MAX_BYTES) throw tooManyItems(batch, end - MAX_BYTES);
    if (end > bytes) memory.grow(Math.ceil((wanted - bytes) / PAGE_BYTES));
    // Another loader may have grown the memory.
    if (words.byteLength === memory.buffer.byteLength) return;
    words = new Uint32Array(memory.buffer);
    floats = new Float32Array(memory.buffer);
  };

  return {
    load(batch, from, rows) {
      let at = Math.ceil(begin / WORD);
      const sizes = stored.map((field) => countItems(column(batch, field, 'list'), from, rows));
      reserve(
        sizes.reduce((end, size) => end + size * WORD, at * WORD),
        batch,
      );
      const store = (count: number): number => (at += count) - count;
      for (const place of places) {
        const { bag, ids, factors } = place;
        const { of, first, end } = loadOffsets(place, batch, from, rows, words);
        const count = end - first;
        const idsAt = ids ?? (bag === undefined ? undefined : store(count));
        if (idsAt !== undefined) words.set(of.ids.subarray(first, end), idsAt);
        if (bag === undefined) continue;
        const factorsAt = factors ?? store(count);
        floats.set(of.weights.subarray(first, end), factorsAt);
        words[bag] = idsAt! * WORD;
        words[bag + 1] = factorsAt * WORD;
      }
      for (const { field, bag } of numbered) {
        words[bag + 1] = words[factorsOf.get(field)!]!;
        words[bag] = store(countItems(column(batch, field, 'list'), from, rows)) * WORD;
      }
    },
  };
}

function tooManyItems({ rows, columns }: Batch, missing: number): Error {
  const counts = [...columns].flatMap(([field, each]) =>
    each.type === 'list' ? [[field, countItems(each, 0, rows)] as const] : [],
  );
  counts.sort(([, a], [, b]) => b - a);
  const list = counts.slice(0, 3).map(([field, count]) => `'${field}' with ${count}`);
  return userError('data', {
    key: 'features',
    message:
      `the bags of a batch of ${rows} rows exceed the 4 GiB of a WebAssembly memory by ` +
      `${Math.ceil(missing / 2 ** 20)} MiB (most items: ${list.join(', then ')})`,
    fix: 'set maxItems for these fields, or reduce training.batchSize',
  });
}
