import { indexOfDomain, type Domain } from '../../graph/domain.js';
import { countWords, type Buffer, type Ref } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { TablePlace } from '../compile/tables.js';
import { lookedUpPlaces } from './lists/listed-fields.js';
import { ITEMS_WORD } from './wgsl/prelude.js';
import { LIST_WORDS } from './wgsl/tables.js';

/** Rows of a table in one of the device buffers of tables. */
export interface TablePart {
  readonly table: TablePlace;
  readonly buffer: number;
  /** First word in that buffer. */
  readonly at: number;
  readonly rowBegin: number;
  readonly rowEnd: number;
}

/**
 * The memory of a program on a device. One device buffer has what the host writes before a step, then what it reads
 * after one, then the rest. Rows of tables are in other device buffers. A device requires no hash tables, and reads the
 * header of an index list in place of distinct rows.
 */
export interface DeviceMemory {
  readonly words: number;
  /** Words that the host writes before a step; columns of the batch come first. */
  readonly uploadWords: number;
  readonly columnWords: number;
  /** Words of ids that index lists contain: those in tables without pooled items. */
  readonly listedWords: number;
  /** Words that the host reads after a step. */
  readonly download: { readonly at: number; readonly words: number };
  /** Words of each device buffer of tables. */
  readonly tableBuffers: readonly number[];
  /** Returns the word at a position. */
  readonly wordAt: (ref: Ref) => number;
  /** Returns the word of a window with the rows of a domain. */
  readonly rowsAt: (domain: Domain) => number;
  /** Returns the parts of a table, in the order of rows. */
  partsOf(table: TablePlace): readonly TablePart[];
  /** Returns the first of a word per row of a table that is not lazy: the number of the distinct row, or 0. */
  rowSlots(table: TablePlace): number | undefined;
}

/** Returns what the host reads of a step: losses, norms and products of gradients. */
export function listResults({ terms, norms, products, areas }: Compiled): readonly { at: Ref; words: number }[] {
  const { at, count } = products;
  return [
    ...[...terms.values()].map(({ loss }) => ({ at: loss, words: 4 })),
    { at: norms, words: 4 },
    ...(at !== undefined && count > 0 ? [{ at, words: count * areas * (areas + 1) }] : []),
  ];
}

/** Returns the columns of a batch; those whose rows index lists contain come first. */
function columnsOf({ tables }: Compiled): { readonly listed: readonly Ref[]; readonly others: readonly Ref[] } {
  const idsOf = (isListed: boolean): readonly Ref[] =>
    tables.all.flatMap((table) => {
      const { lookups } = table;
      if (lookups.some(({ kind }) => kind === 'pooled') === isListed) return [];
      return lookups.flatMap((lookup) => (lookup.kind === 'pooled' ? [] : [tables.ids(table, lookup)]));
    });
  const others = [
    ...idsOf(false),
    ...tables.lookups.flatMap((lookup) =>
      lookup.kind === 'number' || lookup.kind === 'vector' ? [tables.column('number', lookup.field, lookup.width)] : [],
    ),
  ];
  const unlisted = new Set(others.map(({ buffer }) => buffer));
  return { listed: idsOf(true).filter(({ buffer }) => !unlisted.has(buffer)), others };
}

/**
 * Assigns device memory to the buffers of a program.
 * @param maxWords maximum size of a device buffer
 */
export function layOutDevice(compiled: Compiled, maxWords: number): DeviceMemory {
  const { buffers, tables, maxRowsOf } = compiled;
  const known = new Map<Buffer, number>();
  let end = 0;
  const take = (words: number): number => {
    const at = end;
    end += Math.ceil(words / 16) * 16;
    return at;
  };
  const place = (buffer: Buffer, words = countWords(buffer, maxRowsOf)): void => {
    if (!known.has(buffer)) known.set(buffer, take(words));
  };
  const placeAll = (refs: readonly Ref[]): void => refs.forEach(({ buffer }) => place(buffer));

  const { listed, others } = columnsOf(compiled);
  placeAll(listed);
  const listedWords = end;
  placeAll(others);
  for (const buffer of buffers.all) if (buffer.role === 'column') place(buffer);
  const columnWords = end;
  for (const buffer of buffers.all) if (buffer.role === 'settings') place(buffer);
  placeAll(tables.all.map(({ count }) => count));
  for (const { distinct } of tables.all) place(distinct.buffer, Object.keys(LIST_WORDS).length);
  const uploadWords = end;
  placeAll(listResults(compiled).map(({ at }) => at));
  const download = { at: uploadWords, words: end - uploadWords };
  // Index lists locate values and gradients alike, so inputs are in the same order in both.
  const inputs = lookedUpPlaces(compiled);
  placeAll(inputs.map(({ value }) => value));
  placeAll(inputs.map(({ gradient }) => gradient));
  const absent = new Set(
    tables.all.flatMap(({ at, hash, rowNumbers }) => [at, hash, ...rowNumbers]).map(({ buffer }) => buffer),
  );
  for (const buffer of buffers.all) if (!absent.has(buffer)) place(buffer);
  const rowSlots = new Map(tables.all.filter(({ update }) => !update.isLazy).map((table) => [table, take(table.rows)]));

  const { sizes, parts } = splitTables(tables.all, maxWords);
  return {
    words: end,
    uploadWords,
    columnWords,
    listedWords,
    download,
    tableBuffers: sizes,
    wordAt({ buffer, offset }) {
      const begin = known.get(buffer);
      if (begin === undefined) throw new Error(`'${buffer.name}' is not on the device`);
      return begin + offset;
    },
    rowsAt: (domain) => (domain.kind === 'batch' ? 0 : ITEMS_WORD - 1 + indexOfDomain(compiled.domains, domain)),
    partsOf: (table) => parts.filter((part) => part.table === table),
    rowSlots: (table) => rowSlots.get(table),
  };
}

/** Distributes the rows of tables over as few device buffers as possible. */
function splitTables(
  tables: readonly TablePlace[],
  maxWords: number,
): { readonly sizes: readonly number[]; readonly parts: readonly TablePart[] } {
  const sizes: number[] = [0];
  const parts: TablePart[] = [];
  for (const table of tables) {
    for (let rowBegin = 0; rowBegin < table.rows;) {
      const free = Math.floor((maxWords - sizes.at(-1)!) / table.stride);
      const rows = Math.min(table.rows - rowBegin, free);
      if (rows > 0) {
        parts.push({ table, buffer: sizes.length - 1, at: sizes.at(-1)!, rowBegin, rowEnd: rowBegin + rows });
        sizes[sizes.length - 1]! += rows * table.stride;
        rowBegin += rows;
      }
      if (rowBegin < table.rows) sizes.push(0);
    }
  }
  return { sizes, parts };
}
