import { createCleaner } from '../../features/cells.js';
import { cleanCells, cleanEncoder } from '../../features/clean-field.js';
import type { BagItems, Fit } from '../../features/feature.js';
import { createTextCounter, type TextCounter } from '../../features/vocabulary/text-counter.js';
import type { RowSource } from '../files/row-reader.js';
import type { ColumnReader, DirectCells } from '../rows/column-reader.js';
import { createKeyReaders } from '../rows/key-readers.js';
import type { RejectPolicy } from '../rows/rejects.js';
import { blockRows, createRowBlock, fieldReader, labelReader, type RowBlock } from '../rows/row-block.js';
import type { RowFormat } from '../rows/row-format.js';
import type { LeftOut } from '../rows/row-rule.js';
import type { ShardDetails, ShardWriter } from '../shards/writer.js';
import { readRows } from './fill-blocks.js';
import { localRows, NotLocal, type LocalField } from './local-columns.js';

/** Rows that are read before they are handed on, where these are not wide. */
const BLOCK_ROWS = 1 << 13;
/** Every id is below, as far as a manifest can say. */
const END_OF_IDS = 2 ** 31;
/** Of an empty cell, before one is added to every id. */
const EMPTY_ID = 2 ** 32 - 1;

/**
 * Reads a file of cells into local rows: all usable ones, before any is left out by chance.
 * @returns which rows were left out, and what a manifest tells of the columns
 * @throws UserError (data) for a row that the policy does not let pass
 * @throws NotLocal
 */
export async function writeLocalRows(
  source: RowSource,
  format: RowFormat,
  policy: RejectPolicy,
  writer: ShardWriter,
  onShare: (share: number) => void,
): Promise<Pick<ShardDetails, 'sizes' | 'vocabularies'> & { readonly leftOut: LeftOut }> {
  const { fields, columns } = localRows(format);
  const capacity = blockRows(columns, BLOCK_ROWS);
  const block = createRowBlock(columns, capacity);
  const takes = fields.map((local) => takeOf(local, block));
  const keys = createKeyReaders(format.keys, format.spec.cells, block);
  const readers = [
    ...format.labels.map((label) => labelReader(block, label)),
    ...takes.map(({ reader }) => reader),
    ...keys.readers,
  ];
  const onBlock = async (): Promise<void> => {
    for (const { finish } of takes) finish?.();
    await writer.add(block);
  };
  const { leftOut } = await readRows(source, { format, readers, block, capacity, policy, onBlock, onShare });
  if (format.keys.length > 0) writer.addKeyTexts(keys.takeTexts());
  const counters = fields.flatMap(({ field: { name } }, i) =>
    takes[i]!.texts === undefined ? [] : [[name, takes[i]!.texts.numbered()] as const],
  );
  const sizes = columns.flatMap(({ name, kind }) =>
    kind === 'id' || kind === 'bag' ? [[name, END_OF_IDS] as const] : [],
  );
  return {
    leftOut,
    sizes: new Map([...sizes, ...counters.map(([name, { offsets }]) => [name, offsets.length - 1] as const)]),
    vocabularies: new Map(counters),
  };
}

/** The way of a field's cells into a block. */
interface LocalTake {
  readonly reader: ColumnReader;
  /** The texts that are numbered. */
  readonly texts?: TextCounter;
  /** Makes the rows of the block what is kept of them. */
  readonly finish?: () => void;
}

function takeOf(local: LocalField, block: RowBlock): LocalTake {
  const { field, form, fit } = local;
  if (fit === undefined)
    return { reader: fieldReader(block, { ...field, ...cleanEncoder(field.encoder(undefined), field) }) };
  switch (form) {
    case 'items':
      return itemsTake(local, fit, block);
    case 'vector':
      return vectorTake(local, fit, block);
    case 'text':
      return textTake(local, fit, block);
    default:
      return numberTake(local, fit, block);
  }
}

/** The text of a cell without what stands for nothing. */
function cleaner({ field: { cells = {} } }: LocalField): (text: string) => string {
  const clean = createCleaner(cells);
  return clean === undefined ? (text) => text : (text) => cleanCells(text, clean);
}

function textTake(local: LocalField, fit: Fit, block: RowBlock): LocalTake {
  const { name, columns } = local.field;
  const texts = createTextCounter(name);
  const into = block.ids.get(name)!;
  const clean = cleaner(local);
  return {
    texts,
    reader: {
      columns,
      ...(fit.readsNumbers === true && { numberColumns: columns }),
      read: (text) => {
        fit.check(text);
        into[block.rows] = texts.add(clean(text));
      },
      // A text that has a number was let pass before.
      ...(fit.direct !== undefined && {
        direct: { cell: 'token', idOf: (bytes, begin, end) => texts.numberOf(bytes, begin, end), into },
      }),
    },
  };
}

/** Ids and decimal numbers: what passes for one is one in digits, or nothing. */
function numberTake(local: LocalField, fit: Fit, block: RowBlock): LocalTake {
  const { name, columns } = local.field;
  const clean = cleaner(local);
  const put =
    (into: Uint32Array | Float64Array, empty: number) =>
    (text: string): void => {
      fit.check(text);
      const cell = clean(text);
      into[block.rows] = cell === '' ? empty : Number(cell);
    };
  if (local.form === 'id') {
    const into = block.ids.get(name)!;
    const addOne = (): void => {
      for (let r = 0; r < block.rows; r++) into[r] = into[r]! + 1;
    };
    return {
      reader: { columns, read: put(into, EMPTY_ID), direct: { cell: 'id', below: Infinity, into } },
      finish: addOne,
    };
  }
  // The two words of a number lie where it does.
  const into = new Float64Array(block.vectors.get(name)!.data.buffer);
  const { direct } = fit;
  const check = direct?.cell === 'number' ? direct.check : undefined;
  const checked = (value: number): number => {
    check!(value);
    return value;
  };
  const cells: DirectCells = { cell: 'number', encode: check && checked, into };
  return { reader: { columns, read: put(into, NaN), direct: cells } };
}

function itemsTake({ field }: LocalField, fit: Fit, block: RowBlock): LocalTake {
  if (field.kind !== 'bag') throw new Error(`'${field.name}' is no bag`);
  const texts = createTextCounter(field.name);
  const bag = block.bags.get(field.name)!;
  const add = (key: string, weight: number): void => {
    fit.check(key);
    bag.add(texts.add(key), weight);
  };
  const readItems = (items: BagItems): void => {
    bag.open(block.rows);
    field.keep(items, add);
    bag.close(block.rows);
  };
  return { texts, reader: { columns: field.columns, read: (text) => readItems(field.split(text)), readItems } };
}

/**
 * Vectors, whose length the first of all files decides where it is not said: where two of a file differ, the file
 * cannot tell which is wrong.
 */
function vectorTake({ field }: LocalField, { vector }: Fit, block: RowBlock): LocalTake {
  if (field.kind !== 'vector') throw new Error(`'${field.name}' is no vector`);
  const bag = block.bags.get(field.name)!;
  let length: number | undefined;
  const readNumbers = (values: ArrayLike<number>): void => {
    if (values.length > 0 && values.length !== (length ??= values.length))
      throw new NotLocal(`'${field.name}' has vectors of several lengths`);
    vector!.check(values);
    bag.open(block.rows);
    for (let i = 0; i < values.length; i++) bag.add(0, values[i]!);
    bag.close(block.rows);
  };
  return {
    reader: {
      columns: field.columns,
      read: (text) => readNumbers(field.split(text)),
      readItems: (items) => readNumbers(field.ofItems(items)),
      readNumbers,
    },
  };
}
