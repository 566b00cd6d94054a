import { createRowMemory, rowPlaces, WORD } from './row-kernels.js';

/** A column of a word a row: its name, and what its words are. */
export interface WordColumn {
  readonly name: string;
  readonly Array: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => Uint32Array | Float32Array;
}

/** Columns by their names. */
export type WordColumns = ReadonlyMap<string, Uint32Array | Float32Array>;

/** Columns of words, as rows are read and in another order. */
export interface OrderedWords {
  /** Where rows are read to. */
  readonly raw: WordColumns;
  /** Copies the rows that are named, in that order, to one of the places for them; valid until others are put there. */
  put(order: Uint32Array, place: number): WordColumns;
}

/** Columns that are put in order at once. */
const TOGETHER = 4;
/** Of a memory, beyond four columns. */
const MAX_BYTES = 2 ** 30;

/**
 * Memory for some columns of `rows` rows, in which kernels put them in order: several times as fast as a column by
 * itself.
 * @param putRows rows that are put in order at once, at the most
 * @param places for rows in order
 */
export function createOrderedWords(
  columns: readonly WordColumn[],
  rows: number,
  putRows: number,
  places: number,
): OrderedWords {
  const most = Math.max(1, Math.floor(MAX_BYTES / (TOGETHER * WORD * (rows + places * putRows)))) * TOGETHER;
  const parts: OrderedWords[] = [];
  for (let at = 0; at < columns.length; at += most)
    parts.push(orderedPart(columns.slice(at, at + most), rows, putRows, places));
  const joined = (all: readonly WordColumns[]): WordColumns => new Map(all.flatMap((part) => [...part]));
  return {
    raw: joined(parts.map(({ raw }) => raw)),
    put: (order, place) => joined(parts.map((part) => part.put(order, place))),
  };
}

/** The same of those that lie in one memory. */
function orderedPart(columns: readonly WordColumn[], rows: number, putRows: number, places: number): OrderedWords {
  const all = rowPlaces();
  const { take } = all;
  const orderAt = take(putRows);
  const joinedAt = take(TOGETHER * (rows + TOGETHER));
  // Behind them is one for what nobody asks for where fewer than four are left.
  const takeColumns = (length: number): number[] => Array.from({ length: columns.length + 1 }, () => take(length));
  const rawAt = takeColumns(rows);
  const placesAt = Array.from({ length: places }, () => takeColumns(putRows));
  const { kernels, words, buffer } = createRowMemory(all.bytes);
  const columnsAt = (at: readonly number[], length: number): WordColumns =>
    new Map(columns.map(({ name, Array: Words }, c) => [name, new Words(buffer, at[c]!, length)]));
  const fourFrom = (at: readonly number[], c: number): [number, number, number, number] => {
    const spare = at[columns.length]!;
    return [at[c]!, at[c + 1] ?? spare, at[c + 2] ?? spare, at[c + 3] ?? spare];
  };
  return {
    raw: columnsAt(rawAt, rows),
    put(order, place) {
      words.set(order, orderAt / WORD);
      // Kernels take four rows at a time.
      words.fill(0, orderAt / WORD + order.length, orderAt / WORD + order.length + TOGETHER);
      for (let c = 0; c < columns.length; c += TOGETHER) {
        kernels.joinColumns(...fourFrom(rawAt, c), rows, joinedAt);
        kernels.partColumns(joinedAt, orderAt, order.length, ...fourFrom(placesAt[place]!, c));
      }
      return columnsAt(placesAt[place]!, order.length);
    },
  };
}
