import { sliceChunk, type Chunk } from '../../chunks/chunk.js';
import { listItems, type Column, type DictionaryValues } from '../../chunks/column.js';
import { blockRows, createRowBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { column as columnOf } from '../../core/batch.js';
import { cleanEncoder, cleanFit } from '../../features/clean-field.js';
import { createCleaner, type CellOptions } from '../../features/cells.js';
import type { ListReading, RawForm, RawReading, ReadColumns } from '../../features/kinds/kind.js';
import { rawReadings } from '../../features/kinds/kinds.js';
import { itemReader, itemRows, oneValueReader } from '../../features/kinds/one-value.js';
import type { StringPool } from '../../features/vocabulary/string-pool.js';
import { TextCounter } from '../../features/vocabulary/text-counter.js';
import { listParts, planPass } from '../batches/pass.js';
import type { FileColumns, RowSource } from '../readers/cell-file.js';
import { decimalCommaTexts } from '../readers/decimal-comma.js';
import { itemsJson } from '../../chunks/items-json.js';
import { isNumberLabel } from '../rows/label-columns.js';
import { RowCollector } from '../rows/row-collector.js';
import type { RowFormat } from '../rows/row-format.js';
import type { Shards } from '../shards/reader.js';
import { createDictionary } from '../shards/shard-view.js';
import { readVocabularies } from '../shards/vocabulary.js';
import { ROWS_PER_SHARD } from '../shards/writer.js';
import { fitReaders, startFits } from './fit-chunks.js';

// Raw rows are the valid rows of one file before anything is fitted: its data columns as dictionaries, numbers and
// lists. They are chunks again when they are read, so that fits and encodings need not read the file.

/** A data column of raw rows. */
export interface RawColumn {
  readonly name: string;
  readonly form: RawForm;
  /** Whether texts stand for the lists of several readings, which may read a list and its text differently. */
  readonly isAmbiguous: boolean;
  /** Whether all that read it read numbers, which are stored with a decimal point. */
  readonly isNumber: boolean;
  /** How its lists are read. */
  readonly lists: ListReading | undefined;
  /** Cleaning of all that read it. */
  readonly cells: readonly CellOptions[];
}

/** Lists the data columns of a format with their form. */
export function rawColumns(format: RowFormat): readonly RawColumn[] {
  const fits = startFits(format);
  const { cells: cellsOfAll = {} } = format.spec;
  const columns = new Map<string, RawColumn>();
  const add = ({ column: name, form, isNumber, lists }: RawReading, cells: CellOptions): void => {
    const found = columns.get(name);
    const isSame = found === undefined || (found.form === form && found.lists?.key === lists?.key);
    columns.set(name, {
      name,
      form: isSame ? form : 'text',
      isAmbiguous: found?.isAmbiguous === true || (!isSame && (lists ?? found.lists) !== undefined),
      isNumber: isNumber && found?.isNumber !== false,
      lists,
      cells: [...(found?.cells ?? []), cells],
    });
  };
  for (const label of format.labels) {
    const form = isNumberLabel(label) ? 'number' : 'text';
    const cells = label.isComputed === true ? {} : cellsOfAll;
    for (const column of label.columns) add({ column, form, isNumber: label.isCondition !== true }, cells);
  }
  for (const field of format.fields) {
    const fit = fits.get(field.owner);
    const reading = fit === undefined ? cleanEncoder(field.encoder(undefined), field) : cleanFit(fit, field);
    for (const each of rawReadings(field, reading)) add(each, field.cells ?? {});
  }
  for (const column of format.keys) add({ column, form: 'text', isNumber: false }, {});
  return [...columns.values()];
}

/** Returns the storage of raw columns. */
export function rawStorage(columns: readonly RawColumn[]): readonly BlockColumn[] {
  return columns.map(({ name, form }): BlockColumn => {
    if (form === 'text') return { name, kind: 'id' };
    return { name, kind: form === 'number' ? 'double' : 'bag' };
  });
}

/** Creates a collector of the raw rows of a file: all valid ones, before any is sampled. */
export function rawCollector(
  file: FileColumns,
  format: RowFormat,
): {
  readonly collector: RowCollector;
  /** Returns the texts of all dictionaries so far, by column. */
  texts(): ReadonlyMap<string, StringPool>;
} {
  const columns = rawColumns(format);
  const counters = new Map<string, TextCounter>();
  const writers = columns.map((column): ReadColumns => {
    if (column.form === 'number') return numberWriter(column);
    if (column.form === 'vector') return listWriter(column);
    const counter = new TextCounter(column.name);
    counters.set(column.name, counter);
    return column.form === 'text' ? textWriter(column, counter, file.dialect) : listWriter(column, counter);
  });
  // Rows are compared with each other when they are fitted.
  const { readers, late, ...checked } = fitReaders(format, startFits(format), { comparesRows: false });
  return {
    collector: new RowCollector(file, { format, columns: rawStorage(columns), readers, late, checked, writers }),
    texts: () => new Map([...counters].map(([name, counter]) => [name, counter.numbered()])),
  };
}

function textWriter({ name, isNumber }: RawColumn, counter: TextCounter, dialect: FileColumns['dialect']): ReadColumns {
  const { encode, direct } = numbering(counter);
  // The bytes of numbers may have decimal commas.
  const takesBytes = !isNumber || dialect?.decimal !== ',';
  const numberColumns = isNumber ? [name] : [];
  const reading = { encode, numberColumns, takesLists: true, direct: takesBytes ? direct : undefined };
  return oneValueReader([name], reading, (block) => columnOf(block, name, 'u32').data);
}

/** Numbers texts in the order of their appearance. */
function numbering(counter: TextCounter): Parameters<typeof oneValueReader>[1] {
  return {
    encode: (text) => counter.add(text),
    direct: {
      cell: 'token',
      idOf: (bytes, begin, end) => counter.numberOf(bytes, begin, end),
      idsOf: counter.numbersOf,
    },
  };
}

/** A valid value is a number in digits, or missing. */
function numberWriter({ name, cells }: RawColumn): ReadColumns {
  const cleaners = cells.map((each) => createCleaner(each) ?? ((text: string) => text));
  const encode = (text: string): number => (cleaners.some((clean) => clean(text) === '') ? NaN : Number(text));
  const reading = { encode, direct: { cell: 'number' as const }, numberColumns: [name] };
  return oneValueReader([name], reading, (block) => columnOf(block, name, 'f64').data);
}

/** Creates a writer of lists: of texts, which `counter` numbers, or of numbers. */
function listWriter({ name, lists: reading }: RawColumn, counter?: TextCounter): ReadColumns {
  const toLists = reading!.read;
  const readItems = counter && itemReader(numbering(counter));
  return (rows, block) => {
    const lists = toLists(rows);
    const ids = readItems?.(itemRows(lists, rows.count));
    const { offsets, weights } = lists;
    const bag = columnOf(block, name, 'list');
    for (let row = 0; row < rows.count; row++) {
      bag.open(block.rows + row);
      for (let item = offsets[row]!; rows.isKept(row) && item < offsets[row + 1]!; item++)
        bag.add(ids?.[item] ?? 0, weights?.[item] ?? 1);
      bag.close(block.rows + row);
    }
  };
}

/**
 * Opens raw rows as files of the same rows. A chunk is valid until one of another window is read.
 * @param files of the rows, in order
 */
export async function openRawRows(
  shards: Shards,
  format: RowFormat,
  files: readonly Pick<FileColumns, 'path' | 'dialect'>[],
): Promise<readonly RowSource[]> {
  const columns = rawColumns(format);
  const header = columns.map(({ name }) => name);
  const indices = new Map(header.map((name, c) => [name, c]));
  const { window, read } = await windowReader(shards, columns, files[0]!.dialect);
  const numRows = shards.manifest.about.fileRows ?? [shards.manifest.rows];
  let rowsBefore = 0;
  return files.map(({ path, dialect }, file) => {
    const begin = rowsBefore;
    const end = (rowsBefore += numRows[file]!);
    async function* pieces(): ReturnType<RowSource['csv']['pieces']> {
      for (let from = begin, to; from < end; from = to) {
        const first = from - (from % window);
        to = Math.min(end, first + window);
        const chunk = await read(first / window);
        const own = to - from === chunk.rows ? chunk : sliceChunk(chunk, from - first, to - first);
        yield { ...own, progress: (to - begin) / (end - begin) };
      }
    }
    return { columns: { path, header, dialect, indices }, csv: { path, pieces } };
  });
}

/**
 * Creates a function that reads a window of rows: of a large file the rows of one shard, of many small files the rows
 * of several shards.
 */
async function windowReader(
  shards: Shards,
  columns: readonly RawColumn[],
  dialect: FileColumns['dialect'],
): Promise<{ readonly window: number; readonly read: (number: number) => Promise<Chunk> }> {
  const vocabularies = await readVocabularies(shards.folder, shards.manifest.columns);
  const dictionaries = new Map([...vocabularies].map(([name, texts]) => [name, createDictionary(texts)]));
  const storage = rawStorage(columns);
  const window = blockRows(storage, ROWS_PER_SHARD);
  const pass = planPass(shards.manifest, window, undefined);
  const block = createRowBlock(storage, Math.min(window, shards.manifest.rows));
  let last: { readonly number: number; readonly chunk: Chunk } | undefined;
  const read = async (number: number): Promise<Chunk> => {
    if (last?.number === number) return last.chunk;
    last = undefined;
    block.rows = 0;
    await shards.read(listParts(pass, number), storage, block);
    const { rows } = block;
    const byName = new Map(columns.map((each) => [each.name, readColumn(block, each, dictionaries, dialect)]));
    const chunk: Chunk = { rows, numLines: rows, columns: byName, cellsOf: () => [] };
    last = { number, chunk };
    return chunk;
  };
  return { window, read };
}

function readColumn(
  block: RowBlock,
  { name, form, isNumber, lists: reading }: RawColumn,
  dictionaries: ReadonlyMap<string, DictionaryValues>,
  dialect: FileColumns['dialect'],
): Column {
  const type = 'string';
  switch (form) {
    case 'text': {
      const column = dictionaryColumn(columnOf(block, name, 'u32').data, dictionaries.get(name)!);
      return { ...column, ...decimalCommaTexts(isNumber ? undefined : dialect?.decimal, column.text) };
    }
    case 'number': {
      const values = columnOf(block, name, 'f64').data;
      const text = (row: number): string => (Number.isNaN(values[row]) ? '' : String(values[row]));
      return { type, text, numbers: { values, isWhole: true } };
    }
    case 'list': {
      const { ids, weights, offsets: all } = columnOf(block, name, 'list');
      const offsets = all.subarray(0, block.rows + 1);
      const items = dictionaryColumn(ids, dictionaries.get(name)!);
      const lists = { offsets, items, weights, areLists: reading?.areLists };
      return { type, text: (row) => itemsJson(listItems(lists, row)), lists };
    }
    case 'vector': {
      const { offsets, weights } = columnOf(block, name, 'list');
      const numbersAt = (row: number): Float32Array => weights.subarray(offsets[row], offsets[row + 1]);
      return { type, text: (row) => JSON.stringify([...numbersAt(row)]), numbersAt };
    }
  }
}

function dictionaryColumn(indices: Uint32Array, values: DictionaryValues): Column {
  return { type: 'string', text: (row) => values.text(indices[row]!), dictionary: { indices, values } };
}
