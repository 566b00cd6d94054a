import { tableOptimizer } from '../engine.js';
import { WORD, type Piece } from '../simd/arena.js';
import type { Compiled } from '../simd/compile.js';
import type { TablePlace } from '../simd/tables.js';
import { LIST_WORDS } from './wgsl/tables.js';

/** Rows of a table in one of the buffers that tables lie in. */
export interface TablePart {
  readonly table: TablePlace;
  readonly buffer: number;
  /** Words from the begin of the buffer. */
  readonly at: number;
  readonly rowBegin: number;
  readonly rowEnd: number;
}

/**
 * Where on a device all lies that the kernels' own engine has in one memory: what a batch brings first, then what a
 * step gives back, then the
 * rest, each in the order that it has there. Rows of tables lie in buffers of their own; hash tables are not needed,
 * and in the place of a table's
 * distinct rows lies what the index list of a batch says of it.
 */
export interface DeviceMemory {
  readonly words: number;
  /**
   * Words from 0 on that are written before a batch; those with its columns come first, and of them ids that only
   * tables without bags are asked for: index lists say as much.
   */
  readonly uploadWords: number;
  readonly columnWords: number;
  readonly listedWords: number;
  /** Words that are read after it. */
  readonly download: { readonly at: number; readonly words: number };
  /** Words of each buffer of tables. */
  readonly tableBuffers: readonly number[];
  readonly tableParts: readonly TablePart[];
  /** @param address in the memory of the kernels' own engine, or of one of its pieces that moved */
  wordAt(address: number): number;
  /** Numbers a piece of memory, for whoever asks what two calls have in common. */
  pieceAt(address: number): number;
  partsOf(table: TablePlace): readonly TablePart[];
  /** Of a table whose optimizer is not lazy: a word a row, which says which distinct row it is. */
  rowSlots(table: TablePlace): number | undefined;
}

/** Where what is read of a step's products of gradients, norms and losses lies. */
function readBack({ terms, norms, products }: Compiled): readonly number[] {
  return [...[...terms.values()].map(({ loss }) => loss), norms, ...(products.count > 0 ? [products.at] : [])];
}

/** Where the columns of a batch lie, those whose rows index lists tell apart from the others. */
function columnsOf({ plan: { graph, layout }, tables, places }: Compiled): {
  readonly listed: readonly number[];
  readonly others: readonly number[];
} {
  const withBags = new Set(layout.columns.flatMap((columns) => (columns.kind === 'bag' ? [columns.table] : [])));
  const idsOfBags = new Set(
    layout.columns.flatMap((columns) => (columns.kind === 'id' && withBags.has(columns.table) ? [columns.field] : [])),
  );
  const listed = layout.columns.flatMap(({ kind, field }) =>
    kind === 'id' && !idsOfBags.has(field) ? [tables.column('id', field)] : [],
  );
  const fields = layout.columns.flatMap((columns): number[] => {
    if (columns.kind === 'id') return [tables.column('id', columns.field)];
    if (columns.kind === 'bag')
      return [tables.bags.get(columns.field)!.offsets, tables.bags.get(columns.field)!.addresses];
    return [tables.column('number', columns.field, columns.width)];
  });
  const labels = graph.values.flatMap((value) =>
    value.op === 'input' && value.source.kind === 'label' ? [places.of(value).at] : [],
  );
  return { listed, others: [...fields, ...labels] };
}

/** What else is written before a batch, or before a step. */
function written({
  constants,
  tables,
  terms,
  dropoutKeys,
  sharedWeights,
  ownWeights,
  average,
}: Compiled): readonly number[] {
  return [
    constants.dense,
    constants.tables,
    constants.wide,
    sharedWeights,
    ownWeights,
    tables.fresh,
    ...[...terms.values()].map(({ weight }) => weight),
    ...dropoutKeys.values(),
    ...tables.all.map(({ count }) => count),
    ...(average === undefined ? [] : [average.clock]),
  ];
}

/**
 * Lays out a compiled plan on a device.
 * @param mostWords that one buffer may have
 */
export function layOutDevice(compiled: Compiled, mostWords: number): DeviceMemory {
  const { arena, tables, plan } = compiled;
  const slotsOfRows = new Map<TablePlace, number>();
  for (const table of tables.all)
    if (!tableOptimizer(plan.optimizers, table).lazy)
      slotsOfRows.set(table, arena.take(`row slots ${table.name}`, table.rows));
  const pieces = [...arena.pieces()].sort((a, b) => a.at - b.at || a.words - b.words);
  const pieceAt = (address: number): number => {
    let [low, high] = [0, pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pieces[middle]!.at <= address) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const known = new Map<number, number>();
  let end = 0;
  const place = (piece: number, words = pieces[piece]!.words): void => {
    if (known.has(piece)) return;
    known.set(piece, end);
    end += Math.ceil(words / 16) * 16;
  };

  const { listed, others } = columnsOf(compiled);
  for (const address of listed) place(pieceAt(address));
  const listedWords = end;
  for (const address of others) place(pieceAt(address));
  const columnWords = end;
  for (const address of written(compiled)) place(pieceAt(address));
  for (const { distinct } of tables.all) place(pieceAt(distinct), Object.keys(LIST_WORDS).length);
  const uploadWords = end;
  for (const address of readBack(compiled)) place(pieceAt(address));
  const downloadEnd = end;
  const elsewhere = new Set(tables.all.flatMap(({ at, hash }) => [pieceAt(at), pieceAt(hash)]));
  // What lies side by side stays so, with what may lie between: some kernels take several pieces in one go.
  const moved = new Set(known.keys());
  let last: Piece | undefined;
  for (const [i, piece] of pieces.entries()) {
    if (elsewhere.has(i) || moved.has(i)) {
      last = undefined;
      continue;
    }
    if (last !== undefined) end = Math.max(end, known.get(i - 1)! + (piece.at - last.at) / WORD);
    known.set(i, end);
    end += piece.words;
    end = Math.ceil(end / 16) * 16;
    last = piece;
  }

  const { buffers, parts } = splitTables(tables.all, mostWords);
  return {
    words: end,
    uploadWords,
    columnWords,
    listedWords,
    download: { at: uploadWords, words: downloadEnd - uploadWords },
    tableBuffers: buffers,
    tableParts: parts,
    pieceAt,
    wordAt(address) {
      const piece = pieceAt(address);
      const begin = known.get(piece);
      if (begin === undefined) throw new Error(`no device memory is allocated at address ${address}`);
      return begin + (address - pieces[piece]!.at) / WORD;
    },
    partsOf: (table) => parts.filter((part) => part.table === table),
    rowSlots: (table) => slotsOfRows.get(table),
  };
}

/** Puts the rows of tables into as few buffers as may be. */
function splitTables(
  tables: readonly TablePlace[],
  mostWords: number,
): { readonly buffers: readonly number[]; readonly parts: readonly TablePart[] } {
  const buffers: number[] = [0];
  const parts: TablePart[] = [];
  for (const table of tables) {
    for (let rowBegin = 0; rowBegin < table.rows;) {
      const free = Math.floor((mostWords - buffers.at(-1)!) / table.stride);
      const rows = Math.min(table.rows - rowBegin, free);
      if (rows > 0) {
        parts.push({ table, buffer: buffers.length - 1, at: buffers.at(-1)!, rowBegin, rowEnd: rowBegin + rows });
        buffers[buffers.length - 1]! += rows * table.stride;
        rowBegin += rows;
      }
      if (rowBegin < table.rows) buffers.push(0);
    }
  }
  return { buffers, parts };
}
