import { ChunkRows, type Chunk } from '../../chunks/chunk.js';
import { listItems, type Column, type DictionaryValues, type Lists } from '../../chunks/column.js';
import { createRowBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { column as columnOf, withColumns, type Batch } from '../../core/batch.js';
import { joinKeyTexts, KEY_WORDS, keyColumn, keyDigits, MAX_KEY_TEXTS, type KeyTexts } from '../../core/row-key.js';
import type { EncodedField } from '../../features/feature.js';
import { fieldColumn, fieldReader, takesStored } from '../../features/kinds/kinds.js';
import { textReader, type StringPool } from '../../features/vocabulary/string-pool.js';
import { floatText } from '../../text/float-text.js';
import { itemsJson } from '../../chunks/items-json.js';
import { createKeyWriter } from '../rows/key-readers.js';
import { blockColumns, dataColumns, type EncodedFormat, type FormatSpec } from '../rows/row-format.js';
import { badRow, type PlaceOf } from './check-shard-rows.js';
import type { ShardColumn } from './manifest.js';

/**
 * Converts stored rows to the rows of a format; some are changed in place.
 * @param placeOf returns the location of a row, for errors
 * @returns rows that are valid until the next call
 * @throws UserError (data)
 */
export type Finish = (raw: Batch, placeOf: PlaceOf) => Batch;

/** Columns that are read from shards, and columns of batches. */
export interface ShardView {
  readonly rawColumns: readonly BlockColumn[];
  readonly columns: readonly BlockColumn[];
  /** Format that stored values are checked against; undefined if their own writer checked them. */
  readonly spec?: FormatSpec;
  /** Texts of hashed keys by key column, if keys are computed from stored ids. */
  readonly keyTexts?: ReadonlyMap<string, KeyTexts>;
  /** @param rows maximum number of rows per call */
  createFinish(rows: number): Finish;
}

/** Returns the view of columns as they are stored. */
export function asStored(columns: readonly BlockColumn[]): ShardView {
  return { rawColumns: columns, columns, createFinish: () => (raw) => raw };
}

/** Returns the storage of a column. */
export function storedColumn(column: ShardColumn): BlockColumn {
  const { name, kind } = column;
  return kind === 'vector' ? { name, kind, width: column.width } : { name, kind };
}

/** Columns of shards and their vocabularies. */
export interface ShardColumns {
  readonly columns: ReadonlyMap<string, ShardColumn>;
  /** Text of each id, by column of ids or bags that has a vocabulary. */
  readonly vocabularies: ReadonlyMap<string, StringPool>;
}

/**
 * Returns the view of a format on shards that were not encoded for it. Fields that take ids or numbers as they are
 * share memory with the stored rows; other fields are encoded from the stored values.
 */
export function formatView(source: ShardColumns, format: EncodedFormat): ShardView {
  const labels = new Set(format.labels.map(({ name }) => name));
  const rawColumns = dataColumns(format).map((name): BlockColumn =>
    labels.has(name) ? { name, kind: 'label' } : storedColumn(source.columns.get(name)!),
  );
  const keys = format.keys.map((column) => ({ column, ...vocabularyKeys(source.vocabularies.get(column)) }));
  const createFinish = (rows: number): Finish => {
    const shared = format.fields.filter((field) => isShared(field, source));
    const encoded = format.fields.filter((field) => !shared.includes(field));
    const ready = createRowBlock(encoded.map(fieldColumn), rows);
    const texts = columnSource(source);
    const ids = columnSource({ ...source, vocabularies: new Map() });
    // Keys come first, since fields may change ids in place.
    const steps = [
      ...keys.map((each) => keyStep(each.column, each.keys, ready, rows)),
      ...encoded.map((field) => fieldStep(field, ready)),
    ];
    return (raw, placeOf) => {
      // Fields that are computed together share a chunk.
      const chunks = { ids: shardChunk(raw, ids), texts: shardChunk(raw, texts) };
      for (const step of steps) step(raw, placeOf, chunks);
      const stored = [...labels].map((name) => [name, name] as const);
      for (const { name, columns } of shared) stored.push([name, columns[0]!]);
      return withColumns(
        { ...ready, rows: raw.rows },
        stored.map(([name, column]) => [name, raw.columns.get(column)!]),
      );
    };
  };
  return {
    rawColumns,
    columns: blockColumns(format),
    spec: format.spec,
    keyTexts: new Map(keys.map(({ column, texts }) => [column, texts])),
    createFinish,
  };
}

/** Stored rows as chunks: with ids as their digits, and with the strings of vocabularies. */
interface RawChunks {
  readonly ids: Chunk;
  readonly texts: Chunk;
}

/** Computes a field or a key of stored rows. */
type Step = (raw: Batch, placeOf: PlaceOf, chunks: RawChunks) => void;

/**
 * Computes the keys of the strings of a vocabulary, which equal the keys of other files with the same strings.
 * @returns two words per id, and the texts of hashed keys; no keys without a vocabulary, since ids are keys then
 */
function vocabularyKeys(vocabulary: StringPool | undefined): {
  readonly keys: Uint32Array;
  readonly texts: KeyTexts;
} {
  if (vocabulary === undefined) return { keys: new Uint32Array(0), texts: new Map() };
  const size = vocabulary.offsets.length - 1;
  const keys = new Uint32Array(KEY_WORDS * size);
  const textAt = textReader(vocabulary);
  const write = createKeyWriter();
  const hashes = new Map<string, string>();
  for (let id = 0; id < size; id++) {
    const text = textAt(id);
    if (write(text, keys, KEY_WORDS * id) && hashes.size <= MAX_KEY_TEXTS)
      hashes.set(keyDigits(keys[KEY_WORDS * id]!, keys[KEY_WORDS * id + 1]!), text);
  }
  return { keys, texts: joinKeyTexts(new Map(), hashes) };
}

/** Creates the step that computes the keys of rows from the ids of a column. */
function keyStep(column: string, keys: Uint32Array, ready: RowBlock, capacity: number): Step {
  const to = new Uint32Array(KEY_WORDS * capacity);
  ready.columns.set(keyColumn(column), { type: 'u32', width: KEY_WORDS, data: to });
  return (raw, placeOf) => {
    const ids = columnOf(raw, column, 'u32').data;
    for (let row = 0; row < raw.rows; row++) {
      const id = ids[row]!;
      if (id === 0)
        throw badRow(
          placeOf(row),
          column,
          'expected an in-vocabulary id for grouping, found the out-of-vocabulary id 0',
        );
      const isText = KEY_WORDS * id < keys.length;
      to[KEY_WORDS * row] = isText ? keys[KEY_WORDS * id]! : id;
      to[KEY_WORDS * row + 1] = isText ? keys[KEY_WORDS * id + 1]! : 0;
    }
  };
}

/** Returns whether a field takes stored values as they are. */
function isShared(field: EncodedField, { columns }: ShardColumns): boolean {
  return takesStored(field, columns.get(field.columns[0]!)!);
}

function fieldStep(field: EncodedField, ready: RowBlock): Step {
  const read = fieldReader(field);
  return (_, placeOf, { ids, texts }) => {
    const rows = new ChunkRows(field.direct?.cell === 'id' ? ids : texts);
    read(rows, ready);
    const [first] = rows.problems();
    if (first === undefined) return;
    const [row, { error }] = first;
    throw badRow(placeOf(row), field.columns.join(', '), `expected ${error.expected}`);
  };
}

/** Functions that return a column of stored rows, by name. The text of an id is its string, or else the number. */
export type ColumnSource = ReadonlyMap<string, (raw: Batch) => Column>;

/** Returns the readers of all columns; a vocabulary is the same dictionary for all rows. */
export function columnSource({ columns, vocabularies }: ShardColumns): ColumnSource {
  return new Map(
    [...columns].map(([name, column]) => {
      const vocabulary = vocabularies.get(name);
      const values = vocabulary && createDictionary(vocabulary);
      return [name, (raw: Batch) => readColumn(raw, column, values)];
    }),
  );
}

/** Returns stored rows as a chunk of the columns that were read. */
export function shardChunk(raw: Batch, source: ColumnSource): Chunk {
  const columns = new Map(
    [...raw.columns.keys()].flatMap((name) => {
      const read = source.get(name);
      return read === undefined ? [] : [[name, read(raw)] as const];
    }),
  );
  return { rows: raw.rows, numLines: raw.rows, columns, cellsOf: () => [] };
}

/** Returns the strings of a vocabulary as values of dictionaries; the values of other ids are their digits. */
export function createDictionary(vocabulary: StringPool): DictionaryValues {
  const size = vocabulary.offsets.length - 1;
  const textAt = textReader(vocabulary);
  return { size, text: (id) => (id < size ? textAt(id) : String(id)) };
}

function readColumn(raw: Batch, column: ShardColumn, values: DictionaryValues | undefined): Column {
  const { name, kind } = column;
  if (kind === 'id') return idColumn(columnOf(raw, name, 'u32').data, column.size, values);
  if (kind === 'bag') {
    const { offsets: all, ids, weights } = columnOf(raw, name, 'list');
    const offsets = all.subarray(0, raw.rows + 1);
    const lists = { offsets, items: idColumn(ids, column.size, values), weights };
    return { type: 'bag', text: (row) => listText(lists, row), lists };
  }
  if (kind === 'vector') {
    const { width, data } = columnOf(raw, name, 'f32');
    const numbersAt = (row: number): Float32Array => data.subarray(row * width, (row + 1) * width);
    return { type: 'vector', text: (row) => `[${Array.from(numbersAt(row), floatText).join(', ')}]`, numbersAt };
  }
  const numbers = columnOf(raw, name, 'f32').data;
  return { type: kind, text: (row) => String(numbers[row]), numbers: { values: numbers, isWhole: false } };
}

function idColumn(ids: Uint32Array, size: number, values: DictionaryValues | undefined): Column {
  return {
    type: 'id',
    text: values === undefined ? (row) => String(ids[row]) : (row) => values.text(ids[row]!),
    ids: { values: ids, size },
    ...(values !== undefined && { dictionary: { indices: ids, values } }),
  };
}

function listText(lists: Lists, row: number): string {
  const items = listItems(lists, row);
  return itemsJson({ ...items, weights: items.weights.map((weight) => Number(floatText(weight))) });
}
