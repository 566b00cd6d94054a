import { ChunkRows, type Chunk } from '../../chunks/chunk.js';
import { itemsOf, type Column, type DictionaryValues, type Lists } from '../../chunks/column.js';
import {
  createRowBlock,
  hasWords,
  setWords,
  wordColumn,
  type BlockColumn,
  type RowBlock,
} from '../../chunks/row-block.js';
import { column as columnOf, type BagColumn, type Batch } from '../../core/batch.js';
import type { KeyTexts } from '../../core/row-key.js';
import type { EncodedField } from '../../features/feature.js';
import { fieldColumn, fieldReader, takesStored } from '../../features/kinds/kinds.js';
import { textReader, type StringPool } from '../../features/vocabulary/string-pool.js';
import { floatText } from '../../text/float-text.js';
import { itemsJson } from '../../chunks/items-json.js';
import { blockColumns, columnsOf, type EncodedFormat, type FormatSpec } from '../rows/row-format.js';
import { badRow, type PlaceOf } from './check-shard-rows.js';
import type { ShardColumn } from './manifest.js';
import { keyStep, shardKeys } from './shard-keys.js';

/**
 * Makes rows ready that were read and are good, in whichever order they are; some of them are changed in place.
 * @param placeOf where a row was read
 * @returns rows that are valid until the next ones are made ready
 * @throws UserError (data)
 */
export type Finish = (raw: Batch, placeOf: PlaceOf) => Batch;

/** What is read of shards, and what batches have of it. */
export interface ShardView {
  readonly rawColumns: readonly BlockColumn[];
  readonly columns: readonly BlockColumn[];
  /** Of the format that what is read has to keep to, where not its own writer saw to it. */
  readonly spec?: FormatSpec;
  /** By column that is kept as keys, where they are made of what is read: texts of hashes. */
  readonly keyTexts?: ReadonlyMap<string, KeyTexts>;
  /** @param rows that are made ready at once, at the most */
  createFinish(rows: number): Finish;
}

/** What is read as it is in the shards. */
export function asStored(columns: readonly BlockColumn[]): ShardView {
  return { rawColumns: columns, columns, createFinish: () => (raw) => raw };
}

/** A column as it is stored. */
export function storedColumn(column: ShardColumn): BlockColumn {
  const { name, kind } = column;
  return kind === 'vector' ? { name, kind, width: column.width } : { name, kind };
}

/** The columns of a folder of shards, as a format reads them. */
export interface ShardColumns {
  readonly columns: ReadonlyMap<string, ShardColumn>;
  /** By column of ids or bags that has one: the text of each id. */
  readonly vocabularies: ReadonlyMap<string, StringPool>;
}

/**
 * Returns the view of a format on shards that somebody else encoded. Fields that take ids or numbers as they are share
 * their memory, whatever a vocabulary calls them; anything else is read from what is stored.
 */
export function formatView(source: ShardColumns, format: EncodedFormat): ShardView {
  const labels = new Set(format.labels.map(({ name }) => name));
  const rawColumns = columnsOf(format).map((name): BlockColumn =>
    labels.has(name) ? { name, kind: 'label' } : storedColumn(source.columns.get(name)!),
  );
  const keys = new Map(format.keys.map((column) => [column, shardKeys(source.vocabularies, column)]));
  const createFinish = (rows: number): Finish => {
    const ready = createRowBlock(format.fields.filter((field) => !isShared(field, source)).map(fieldColumn), rows);
    const texts = columnSource(source);
    const ids = columnSource({ ...source, vocabularies: new Map() });
    const steps = [
      ...format.keys.map((column) => keyStep(column, keys.get(column)!, ready.keys, rows)),
      ...format.fields.map((field) => fieldStep(field, source, field.direct?.cell === 'id' ? ids : texts, ready)),
    ];
    return (raw, placeOf) => {
      for (const step of steps) step(raw, placeOf);
      return { ...ready, labels: raw.labels, rows: raw.rows };
    };
  };
  return {
    rawColumns,
    columns: blockColumns(format),
    spec: format.spec,
    keyTexts: new Map([...keys].map(([column, { texts }]) => [column, texts])),
    createFinish,
  };
}

/** Makes the rows of a field or a key ready. */
type Step = (raw: Batch, placeOf: PlaceOf) => void;

/** Whether a field takes what is stored as it is. */
function isShared(field: EncodedField, { columns }: ShardColumns): boolean {
  return field.columns.length === 1 && takesStored(field, columns.get(field.columns[0]!)!);
}

function fieldStep(field: EncodedField, source: ShardColumns, columns: ColumnSource, ready: RowBlock): Step {
  const each = fieldColumn(field);
  const stored = storedColumn(source.columns.get(field.columns[0]!)!);
  if (isShared(field, source)) {
    return (raw) => {
      if (hasWords(each) && hasWords(stored)) setWords(ready, each, wordColumn(raw, stored).data);
      else (ready.bags as Map<string, BagColumn>).set(field.name, columnOf(raw.bags, stored.name));
    };
  }
  const read = fieldReader(field);
  return (raw, placeOf) => {
    const rows = new ChunkRows(shardChunk(raw, columns));
    read(rows, ready);
    const [first] = rows.problems();
    if (first === undefined) return;
    const [row, { error }] = first;
    throw badRow(placeOf(row), field.columns.join(', '), `expected ${error.expected}`);
  };
}

/** Reads the columns of shards: the text of an id is that of its vocabulary, or the number. */
export type ColumnSource = ReadonlyMap<string, (raw: Batch) => Column>;

/** Creates the readers of all columns; a vocabulary is the same dictionary for all rows. */
export function columnSource({ columns, vocabularies }: ShardColumns): ColumnSource {
  return new Map(
    [...columns].map(([name, column]) => {
      const vocabulary = vocabularies.get(name);
      const values = vocabulary && dictionaryOf(vocabulary);
      return [name, (raw: Batch) => readColumn(raw, column, values)];
    }),
  );
}

/** Returns stored rows as a chunk, with the columns that were read. */
export function shardChunk(raw: Batch, source: ColumnSource): Chunk {
  const names = [raw.ids, raw.numbers, raw.bags, raw.vectors ?? new Map<string, never>()].flatMap((map) => [
    ...map.keys(),
  ]);
  const columns = new Map(names.map((name) => [name, source.get(name)!(raw)]));
  return { rows: raw.rows, numLines: raw.rows, columns, cellsOf: () => [] };
}

function dictionaryOf(vocabulary: StringPool): DictionaryValues {
  const size = vocabulary.offsets.length - 1;
  const textAt = textReader(vocabulary);
  return { size, text: (id) => (id < size ? textAt(id) : String(id)) };
}

function readColumn(raw: Batch, column: ShardColumn, values: DictionaryValues | undefined): Column {
  const { name, kind } = column;
  if (kind === 'id') return idColumn(columnOf(raw.ids, name), column.size, values);
  if (kind === 'bag') {
    const { offsets: all, ids, weights } = columnOf(raw.bags, name);
    const offsets = all.subarray(0, raw.rows + 1);
    const lists = { offsets, items: idColumn(ids, column.size, values), weights };
    return { type: 'bag', text: (row) => listText(lists, row), lists };
  }
  if (kind === 'vector') {
    const { width, data } = columnOf(raw.vectors!, name);
    const numbersAt = (row: number): Float32Array => data.subarray(row * width, (row + 1) * width);
    return { type: 'vector', text: (row) => `[${Array.from(numbersAt(row), floatText).join(', ')}]`, numbersAt };
  }
  const numbers = columnOf(raw.numbers, name);
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
  const items = itemsOf(lists, row);
  return itemsJson({ ...items, weights: items.weights.map((weight) => Number(floatText(weight))) });
}
