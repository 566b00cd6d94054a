import { column as columnOf, type BagColumn, type Batch, type VectorColumn } from '../../core/batch.js';
import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { EncodedField } from '../../features/feature-types.js';
import { takeTopK } from '../../features/top-k-by-weight.js';
import type { AffineStep } from '../../core/scaling.js';
import { textReader, type StringPool } from '../../features/vocabulary/string-pool.js';
import type { KeyTexts } from '../../core/row-key.js';
import { badRow, type PlaceOf } from './check-shard-rows.js';
import { createBagBuffer } from '../rows/bag-buffer.js';
import { blockColumns, createRowBlock, fieldReader, type BlockColumn } from '../rows/row-block.js';
import { columnsOf, type EncodedFormat, type FormatSpec } from '../rows/row-format.js';
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

/** What is ready of rows, beside their labels. */
interface Ready {
  readonly ids: Map<string, Uint32Array>;
  readonly numbers: Map<string, Float32Array>;
  readonly bags: Map<string, BagColumn>;
  readonly vectors: Map<string, VectorColumn>;
  readonly keys: Map<string, Uint32Array>;
}

/** Makes the rows of a field ready. */
type Step = (raw: Batch, placeOf: PlaceOf) => void;

/**
 * What a format makes of shards that somebody else encoded. Where a field takes ids or numbers as they are, so they
 * stay,
 * whatever a vocabulary calls them; they are changed in place if nothing else reads them. Anything else is encoded from
 * its text.
 */
export function formatView(source: ShardColumns, format: EncodedFormat): ShardView {
  const labels = new Set(format.labels.map(({ name }) => name));
  const rawColumns = columnsOf(format).map((name): BlockColumn =>
    labels.has(name) ? { name, kind: 'label' } : storedColumn(source.columns.get(name)!),
  );
  const keys = new Map(format.keys.map((column) => [column, shardKeys(source.vocabularies, column)]));
  const createFinish = (rows: number): Finish => {
    const ready: Ready = { ids: new Map(), numbers: new Map(), bags: new Map(), vectors: new Map(), keys: new Map() };
    // Fields may change ids in place.
    const steps = [
      ...format.keys.map((column) => keyStep(column, keys.get(column)!, ready.keys, rows)),
      ...format.fields.map((field) => stepOf(field, format, source, ready, rows)),
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

function stepOf(
  field: EncodedField,
  format: EncodedFormat,
  source: ShardColumns,
  { ids, numbers, bags, vectors }: Ready,
  capacity: number,
): Step {
  const { name, columns, kind, direct, encode } = field;
  const [column] = columns as [string];
  const found = source.columns.get(column)!;
  const isOwn = columns.length === 1 && format.fields.filter((other) => other.columns.includes(column)).length === 1;
  /** Ids that the field takes as they are: all of a column, most often. */
  const below = direct?.cell === 'id' ? direct.below : 0;
  const areAllTaken = 'size' in found && found.size <= below;
  /** Does something with each row, in their order. */
  const rowByRow = (rows: number, placeOf: PlaceOf, work: (row: number) => void): void => {
    let row = 0;
    try {
      for (; row < rows; row++) work(row);
    } catch (error) {
      throw error instanceof BadValue ? badRow(placeOf(row), columns.join(', '), `expected ${error.expected}`) : error;
    }
  };

  if (found.kind === 'id' && kind === 'id' && columns.length === 1 && direct?.cell === 'id') {
    const copy = isOwn ? undefined : new Uint32Array(capacity);
    return (raw, placeOf) => {
      const { rows } = raw;
      const from = columnOf(raw.ids, column);
      const to = copy ?? from;
      ids.set(name, to);
      copy?.set(from.subarray(0, rows));
      if (areAllTaken) return;
      rowByRow(rows, placeOf, (row) => {
        if (to[row]! >= below) to[row] = encode(String(to[row]));
      });
    };
  }
  if (found.kind === 'number' && columns.length === 1 && kind !== 'bag' && direct?.cell === 'number') {
    const copy = kind === 'id' ? new Uint32Array(capacity) : isOwn ? undefined : new Float32Array(capacity);
    return (raw, placeOf) => {
      const { rows } = raw;
      const from = columnOf(raw.numbers, column);
      const to = copy ?? from;
      if (to instanceof Uint32Array) ids.set(name, to);
      else numbers.set(name, to);
      if (direct.affine !== undefined && to instanceof Float32Array) scaleNumbers(from, rows, direct.affine, to);
      else rowByRow(rows, placeOf, (row) => void (to[row] = direct.encode(from[row]!)));
    };
  }
  if (found.kind === 'bag' && kind === 'bag') {
    const textOf = direct?.cell === 'id' ? String : textsOf(source, column);
    const { maxItems } = field.form;
    if (isOwn && maxItems === undefined) {
      return (raw, placeOf) => {
        const bag = columnOf(raw.bags, column);
        bags.set(name, bag);
        if (areAllTaken) return;
        rowByRow(raw.rows, placeOf, (row) => {
          for (let i = bag.offsets[row]!; i < bag.offsets[row + 1]!; i++)
            if (bag.ids[i]! >= below) bag.ids[i] = encode(textOf(bag.ids[i]!));
        });
      };
    }
    const copy = createBagBuffer(capacity);
    bags.set(name, copy);
    return (raw, placeOf) => {
      const bag = columnOf(raw.bags, column);
      rowByRow(raw.rows, placeOf, (row) => {
        copy.open(row);
        takeTopK(bag.weights, bag.offsets[row]!, bag.offsets[row + 1]!, maxItems ?? Infinity, (i) => {
          const id = bag.ids[i]!;
          copy.add(id < below ? id : encode(textOf(id)), bag.weights[i]!);
        });
        copy.close(row);
      });
    };
  }

  if (kind === 'vector') {
    const to = new Float32Array(capacity * field.width);
    vectors.set(name, { width: field.width, data: to });
    return (raw, placeOf) => {
      const { width, data } = raw.vectors!.get(column)!;
      rowByRow(raw.rows, placeOf, (row) =>
        field.vector!(data.subarray(row * width, (row + 1) * width), to, row * field.width),
      );
    };
  }

  const own = createRowBlock([{ name, kind }], capacity);
  for (const [key, data] of own.ids) ids.set(key, data);
  for (const [key, data] of own.numbers) numbers.set(key, data);
  for (const [key, data] of own.bags) bags.set(key, data);
  const reader = fieldReader(own, field);
  const textsOfColumns = columns.map((each) => textsOf(source, each));
  return (raw, placeOf) => {
    const texts = columns.map((each, c) => {
      const data = raw.ids.get(each) ?? columnOf(raw.numbers, each);
      return (row: number) => textsOfColumns[c]!(data[row]!);
    });
    rowByRow(raw.rows, placeOf, (row) => {
      own.rows = row;
      reader.read(texts.map((textAt) => textAt(row)).join(CELL_SEPARATOR));
    });
    own.rows = raw.rows;
  };
}

/** What numbers become where nothing else is done with them: a call for each would have them made objects. */
function scaleNumbers(from: Float32Array, rows: number, { subtract, divide }: AffineStep, to: Float32Array): void {
  for (let row = 0; row < rows; row++) to[row] = (from[row]! - subtract) / divide;
}

/** The text of a value of a column: that of its vocabulary, or the number. */
export function textsOf({ vocabularies }: ShardColumns, column: string): (value: number) => string {
  const vocabulary = vocabularies.get(column);
  if (vocabulary === undefined) return String;
  const size = vocabulary.offsets.length - 1;
  const textAt = textReader(vocabulary);
  return (id) => (id < size ? textAt(id) : String(id));
}
