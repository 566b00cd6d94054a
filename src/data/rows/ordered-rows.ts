import type { Batch } from '../../core/batch.js';
import { createOrderedBags } from './ordered-bags.js';
import { createOrderedWords, type WordColumn } from './ordered-words.js';
import { createRowBlock, gatherRows, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';

/** Rows, as they are read and in another order. */
export interface OrderedRows {
  /** Where they are read to. */
  readonly raw: RowBlock;
  /** Copies the rows that are named, in that order, to one of the places for them; valid until others are put there. */
  put(order: Uint32Array, place: number): Batch;
}

/** What has a word a row, and what its words are. */
const WORDS = { id: Uint32Array, number: Float32Array, label: Float32Array } as const;
const isWords = (kind: BlockColumn['kind']): kind is keyof typeof WORDS => Object.hasOwn(WORDS, kind);

/**
 * Memory for `rows` rows of these columns.
 * @param putRows rows that are put in order at once, at the most
 * @param places for rows in order, which threads share
 */
export function createOrderedRows(
  columns: readonly BlockColumn[],
  rows: number,
  putRows: number,
  places: number,
): OrderedRows {
  const others = columns.filter(({ kind }) => kind !== 'bag' && !isWords(kind));
  const bags = columns
    .filter(({ kind }) => kind === 'bag')
    .map(({ name }) => [name, createOrderedBags(rows, putRows, places)] as const);
  // A label and a field may have the same name.
  const words = createOrderedWords(
    columns.flatMap(({ name, kind }): WordColumn[] =>
      isWords(kind) ? [{ name: `${kind} ${name}`, Array: WORDS[kind] }] : [],
    ),
    rows,
    putRows,
    places,
  );
  const ofKind = <Data extends Uint32Array | Float32Array>(
    all: ReadonlyMap<string, Uint32Array | Float32Array>,
    wanted: keyof typeof WORDS,
  ): Map<string, Data> =>
    // What lies there is what WORDS says.
    new Map(columns.flatMap(({ name, kind }) => (kind === wanted ? [[name, all.get(`${kind} ${name}`) as Data]] : [])));
  const wordsOf = (all: ReadonlyMap<string, Uint32Array | Float32Array>) => ({
    ids: ofKind<Uint32Array>(all, 'id'),
    numbers: ofKind<Float32Array>(all, 'number'),
    labels: ofKind<Float32Array>(all, 'label'),
  });
  const raw: RowBlock = {
    ...createRowBlock(others, rows),
    ...wordsOf(words.raw),
    bags: new Map(bags.map(([name, bag]) => [name, bag.raw])),
  };
  const rest = { ...createRowBlock([], 0), vectors: raw.vectors, keys: raw.keys };
  const blocks = Array.from({ length: places }, () => createRowBlock(others, putRows, SharedArrayBuffer));
  return {
    raw,
    put(order, place) {
      const block = blocks[place]!;
      gatherRows(rest, others, order, order.length, block);
      return {
        ...block,
        ...wordsOf(words.put(order, place)),
        bags: new Map(bags.map(([name, bag]) => [name, bag.put(order, place)])),
      };
    },
  };
}
