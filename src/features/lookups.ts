import type { ChunkRows } from '../chunks/chunk.js';
import type { Dictionary, DictionaryValues } from '../chunks/column.js';
import { hashTensors } from '../io/hash-tensors.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { CellOptions } from './cells.js';
import { TextCounter } from './vocabulary/text-counter.js';
import { createTextTable, type TextTable } from './vocabulary/text-table.js';
import { textReader, textsOfTensors, textTensors, type StringPool } from './vocabulary/string-pool.js';
import { createTextFinder } from './vocabulary/utf8.js';

/** A column of a side table that a computation reads. */
export interface LookupColumn {
  readonly table: string;
  readonly column: string;
  /** Whether its texts are read as numbers, which have a decimal point. */
  readonly isNumber: boolean;
  /** Refuses the rows of the side file with a value that the computation cannot read. */
  readonly check: (rows: ChunkRows, cells: CellOptions) => void;
}

/** Values of a column of a side table, each distinct text once. */
interface LookupValues {
  /** Distinct texts; the first one is empty. */
  readonly texts: StringPool;
  /** Index of the text of each key by its id; index 0 stands for an absent key. */
  readonly codes: Uint32Array;
}

/** A side table: the columns that computations read, by key. Plain data in shared memory. */
export interface LookupTable {
  readonly keys: TextTable;
  /** By column and whether it has numbers (`valuesName`). */
  readonly columns: ReadonlyMap<string, LookupValues>;
  /** SHA-256 of the keys and columns. */
  readonly digest: string;
}

/** Side tables by their name in the config. */
export type LookupTables = ReadonlyMap<string, LookupTable>;

/** Returns the name of a column's values in a table. */
function valuesName({ column, isNumber }: Pick<LookupColumn, 'column' | 'isNumber'>): string {
  return `${isNumber ? 'number' : 'text'} ${column}`;
}

/** Collects the rows of a side table. */
export class LookupTableBuilder {
  readonly #keys: TextCounter;
  readonly #columns: ReadonlyMap<
    string,
    Pick<LookupColumn, 'column' | 'isNumber'> & { readonly texts: TextCounter; readonly codes: number[] }
  >;
  #size = 0;

  constructor(table: string, columns: readonly LookupColumn[]) {
    this.#keys = new TextCounter(table);
    this.#columns = new Map(
      columns.map((column) => [valuesName(column), { ...column, texts: new TextCounter(table), codes: [0] }]),
    );
  }

  /**
   * Adds a row.
   * @returns the number of the row with this key, from 1: an earlier one if the key repeats, whose values are ignored
   * @throws UserError (data) if the table is too large
   */
  add(key: string, rows: ChunkRows, row: number): number {
    const id = this.#keys.add(key);
    if (id <= this.#size) return id;
    this.#size = id;
    for (const { column: name, isNumber, texts, codes } of this.#columns.values()) {
      const column = rows.column(name);
      const text = (isNumber ? column.numberText?.(row, false) : undefined) ?? column.text(row);
      codes.push(text === '' ? 0 : texts.add(text));
    }
    return id;
  }

  finish(): LookupTable {
    const { bytes, offsets } = this.#keys.numbered();
    const columns = [...this.#columns].map(([name, { texts, codes }]) => {
      const shared = new Uint32Array(new SharedArrayBuffer(4 * codes.length));
      shared.set(codes);
      return [name, { texts: texts.numbered(), codes: shared }] as const;
    });
    // Index 0 of numbered texts is empty.
    return createTable({ bytes, offsets: offsets.subarray(1) }, new Map(columns));
  }
}

function createTable(keys: StringPool, columns: LookupTable['columns']): LookupTable {
  const table = { keys: createTextTable(keys), columns };
  return { ...table, digest: hashTensors(tableTensors('', table)) };
}

/** Converts tables to tensors, for a checkpoint. */
export function lookupTensors(tables: LookupTables): ReadonlyMap<string, StoredTensor> {
  return new Map([...tables].flatMap(([name, table]) => [...tableTensors(name, table)]));
}

function tableTensors(name: string, { keys, columns }: Omit<LookupTable, 'digest'>): Map<string, StoredTensor> {
  const tensors = new Map(textTensors(keys, `${name}.keys`));
  for (const [column, { texts, codes }] of columns) {
    tensors.set(`${name}.codes.${column}`, { shape: [codes.length], data: codes });
    for (const [tensor, data] of textTensors(texts, `${name}.texts.${column}`)) tensors.set(tensor, data);
  }
  return tensors;
}

/**
 * Converts tensors back to tables.
 * @param tensors in shared memory
 * @throws Error if they are not tables
 */
export function loadedLookups(tensors: ReadonlyMap<string, StoredTensor>): LookupTables {
  const columns = new Map<string, Map<string, LookupValues>>();
  for (const [name, { data: codes }] of tensors) {
    const [, table, column] = /^([^.]*)\.codes\.(.*)$/s.exec(name) ?? [];
    if (table === undefined || column === undefined) continue;
    const texts = textsOfTensors(tensors, `${table}.texts.${column}`);
    const last = (texts?.offsets.length ?? 0) - 2;
    if (texts === undefined || !(codes instanceof Uint32Array) || codes.some((code) => code > last))
      throw new Error(`'${name}' is not the indices of texts`);
    columns.set(table, (columns.get(table) ?? new Map<string, LookupValues>()).set(column, { texts, codes }));
  }
  return new Map(
    [...columns].map(([table, values]) => {
      const keys = textsOfTensors(tensors, `${table}.keys`);
      if (keys === undefined || [...values.values()].some(({ codes }) => codes.length !== keys.offsets.length))
        throw new Error(`the keys of '${table}' are not those of its columns`);
      return [table, createTable(keys, values)];
    }),
  );
}

/** Returns the distinct texts of a column, and the index of the text of each key by its id. */
export function lookupValues(
  { columns }: LookupTable,
  column: Pick<LookupColumn, 'column' | 'isNumber'>,
): { readonly values: DictionaryValues; readonly codes: Uint32Array } {
  const { texts, codes } = columns.get(valuesName(column))!;
  return { values: { size: texts.offsets.length - 1, text: textReader(texts) }, codes };
}

/** Creates a function that returns the texts of a column for the keys of rows; the texts of absent keys are missing. */
export function lookupReader(
  table: LookupTable,
  column: Pick<LookupColumn, 'column' | 'isNumber'>,
): (rows: ChunkRows, keyOf: (row: number) => string) => Dictionary {
  const { values, codes } = lookupValues(table, column);
  const findText = createTextFinder(table.keys);
  return (rows, keyOf) => {
    const indices = new Uint32Array(rows.count);
    for (let row = 0; row < rows.count; row++) if (rows.isKept(row)) indices[row] = codes[findText(keyOf(row))]!;
    return { indices, values };
  };
}
