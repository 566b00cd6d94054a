import { userError } from '../../core/errors.js';
import { cleanEncoder, cleanFit } from '../../features/clean-field.js';
import type { BagItems, Field, Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import { readRows } from './fill-blocks.js';
import { blockColumns, blockRows, createRowBlock, labelReader } from '../rows/row-block.js';
import type { RowSource } from '../files/row-reader.js';
import type { ColumnReader, DirectCells } from '../rows/column-reader.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { RowFilter } from '../rows/row-filter.js';
import type { RowFormat } from '../rows/row-format.js';
import { samplingRule } from '../rows/sampling.js';
import { countLeftOut, type LeftOut } from '../rows/row-rule.js';

/** Rows that are looked at together, where these are not wide. */
const BLOCK_ROWS = 1 << 13;

/**
 * Learns vocabularies and scales from the rows of train that will be trained on, in one pass; no pass where nothing is
 * to be
 * learned.
 * @param onShare told the share of a file that was read, and which one
 */
export async function fitFeatures(
  sources: readonly RowSource[],
  format: RowFormat,
  policy: RejectPolicy,
  onShare: (share: number, source: RowSource) => void,
): Promise<Fitted> {
  const { fields, labels } = format;
  const fits = fitsOf(format);
  if (fits.size === 0) return {};

  const capacity = blockRows(blockColumns(format), BLOCK_ROWS);
  const block = {
    ...createRowBlock(
      blockColumns(format).filter(({ kind }) => kind === 'label'),
      capacity,
    ),
    capacity,
  };
  const observed: (() => void)[] = [];
  const readers = [
    ...labels.map((label) => labelReader(block, label)),
    // A row that any column refuses must not be learned from.
    ...fields.map((field): ColumnReader => {
      const ownersFit = fits.get(field.owner);
      if (ownersFit === undefined) return checkReader(field, capacity);
      const fit = cleanFit(ownersFit, field);
      const column =
        field.kind === 'bag'
          ? bagColumn(field, fit, block)
          : field.kind === 'vector'
            ? vectorColumn(field, fit, block)
            : (directColumn(field, fit, block) ?? textColumn(field, fit, block));
      observed.push(column.observe);
      return column.reader;
    }),
  ];
  const onBlock = (): void => {
    for (const observe of observed) observe();
  };
  const { sampling, tasks } = format.spec;
  const sampled =
    sampling === undefined ? format : { ...format, rules: [...format.rules, samplingRule(sampling, tasks)] };
  let count = 0;
  const leftOut = new Map<string, number>();
  for (const source of sources) {
    const found = await readRows(source, {
      format: sampled,
      readers,
      block,
      capacity,
      policy,
      onBlock,
      onShare: (share) => onShare(share, source),
    });
    count += found.count;
    countLeftOut(leftOut, found.leftOut);
  }
  if (count === 0)
    throw noRows(
      sources.map(({ csv }) => csv.path),
      leftOut,
      format.spec.filter,
      policy.reasons,
    );
  return Object.fromEntries([...fits].map(([name, fit]) => [name, fit.finish()]));
}

/** A new fit for every field that learns something of its own, by its name. */
export function fitsOf({ fields }: RowFormat): ReadonlyMap<string, Fit> {
  const fits = new Map<string, Fit>();
  for (const field of fields) {
    const fit = field.owner === field.name ? field.startFit() : undefined;
    if (fit !== undefined) fits.set(field.name, fit);
  }
  return fits;
}

/** How much of it is kept. */
interface FitBlock {
  readonly rows: number;
  readonly capacity: number;
}

/**
 * A column on its way into a fit: its cells are kept for a block, and observed when it is known which rows are good.
 */
interface FitColumn {
  readonly reader: ColumnReader;
  readonly observe: () => void;
}

/** A column whose cells are numbers or have them, where its fit can learn from these. */
function directColumn(field: Field, fit: Fit, block: FitBlock): FitColumn | undefined {
  const { direct } = fit;
  if (direct === undefined) return undefined;
  const into = new Float64Array(block.capacity);
  const observeAll =
    direct.observeAll ??
    ((values: Float64Array, begin: number, end: number): void => {
      for (let i = begin; i < end; i++) direct.observe(values[i]!);
    });
  /** Of rows whose cells are unusual. */
  const texts = new Array<string>(block.capacity);
  const read = (text: string): void => {
    fit.check(text);
    // What passes for a number is one in digits, or nothing.
    const value = direct.cell === 'token' || text === '' ? NaN : Number(text);
    into[block.rows] = value;
    if (Number.isNaN(value)) texts[block.rows] = text;
  };
  return {
    reader: { columns: field.columns, read, direct: cellsOf(direct, into) },
    observe: () => {
      let begin = 0;
      for (let r = 0; r < block.rows; r++) {
        if (!Number.isNaN(into[r]!)) continue;
        observeAll(into, begin, r);
        fit.observe(texts[r]!);
        begin = r + 1;
      }
      observeAll(into, begin, block.rows);
    },
  };
}

function cellsOf(direct: NonNullable<Fit['direct']>, into: Float64Array): DirectCells {
  switch (direct.cell) {
    case 'id':
      return { cell: 'id', below: Infinity, into };
    case 'number':
      return { cell: 'number', encode: checked(direct.check), into };
    case 'token':
      return { cell: 'token', idOf: direct.idOf, into };
  }
}

/** A number as it is, where a check lets it pass. */
function checked(check: ((value: number) => void) | undefined): ((value: number) => number) | undefined {
  if (check === undefined) return undefined;
  return (value) => {
    check(value);
    return value;
  };
}

/** A column that is only looked at. */
function checkReader(field: Field, capacity: number): ColumnReader {
  const { encode, direct, readsNumbers } = cleanEncoder(field.encoder(undefined), field);
  const { columns } = field;
  if (field.kind === 'vector') return vectorReader(field);
  if (field.kind === 'bag')
    return {
      columns,
      read: (text) => field.keep(field.split(text), encode),
      readItems: (items) => field.keep(items, encode),
    };
  return {
    columns,
    read: encode,
    ...(readsNumbers === true && { numberColumns: columns }),
    ...(direct !== undefined && { direct: { ...direct, into: new Float64Array(capacity) } }),
  };
}

/** Any column of one value a row. */
function textColumn(field: Field, fit: Fit, block: FitBlock): FitColumn {
  const texts = new Array<string>(block.capacity);
  return {
    reader: {
      columns: field.columns,
      ...(fit.readsNumbers === true && { numberColumns: field.columns }),
      read: (text) => {
        fit.check(text);
        texts[block.rows] = text;
      },
    },
    observe: () => {
      for (let r = 0; r < block.rows; r++) fit.observe(texts[r]!);
    },
  };
}

/** A column of vectors that is only looked at. */
function vectorReader(field: Field & { readonly kind: 'vector' }): ColumnReader {
  const { vector, width = 0 } = field.encoder(undefined);
  const scratch = new Float32Array(width);
  const readNumbers = (values: ArrayLike<number>): void => vector!(values, scratch, 0);
  return {
    columns: field.columns,
    read: (text) => readNumbers(field.split(text)),
    readItems: (items) => readNumbers(field.ofItems(items)),
    readNumbers,
  };
}

/** A column of vectors. Its numbers are kept as the floats that they become. */
function vectorColumn(field: Field & { readonly kind: 'vector' }, { vector }: Fit, block: FitBlock): FitColumn {
  const cells = new Array<Float32Array>(block.capacity);
  const readNumbers = (values: ArrayLike<number>): void => {
    vector!.check(values);
    cells[block.rows] = Float32Array.from(values);
  };
  return {
    reader: {
      columns: field.columns,
      read: (text) => readNumbers(field.split(text)),
      readItems: (items) => readNumbers(field.ofItems(items)),
      readNumbers,
    },
    observe: () => {
      for (let r = 0; r < block.rows; r++) vector!.observe(cells[r]!);
    },
  };
}

/** A column of bags. Lists of items stay valid until the block is observed. */
function bagColumn(field: Field & { readonly kind: 'bag' }, fit: Fit, block: FitBlock): FitColumn {
  const cells = new Array<string | BagItems>(block.capacity);
  const eachKey = (cell: string | BagItems, take: (key: string) => void): void =>
    field.keep(typeof cell === 'string' ? field.split(cell) : cell, take);
  const read = (cell: string | BagItems): void => {
    eachKey(cell, fit.check);
    cells[block.rows] = cell;
  };
  return {
    reader: { columns: field.columns, read, readItems: read },
    observe: () => {
      for (let r = 0; r < block.rows; r++) eachKey(cells[r]!, fit.observe);
    },
  };
}

/**
 * The error for a data set without a usable row.
 * @param leftOut the rows that there are
 * @param filter which of them are wanted
 * @param reasons why rows are invalid, with their counts
 */
export function noRows(
  paths: readonly string[],
  leftOut: LeftOut = new Map(),
  filter?: RowFilter,
  reasons: RejectPolicy['reasons'] = new Map(),
): Error {
  const [first, ...more] = paths;
  const where = `${first}${more.length > 0 ? ` and ${more.length} more` : ''}`;
  if (leftOut.size === 0) {
    const [most] = [...reasons].sort(([, a], [, b]) => b - a);
    const why = most === undefined ? '' : `; most common reason: ${most[0]} (${most[1]} rows)`;
    return userError('data', { where, message: `expected at least one usable row after the header, found none${why}` });
  }
  const causes = [...leftOut].map(([reason, rows]) => `${reason} (${rows})`);
  const message =
    `expected at least one row${filter?.part === undefined ? '' : ` for ${filter.part}`}, found none; all are ` +
    `excluded: ${causes.join(', ')}`;
  const sections = [
    ...(filter?.split === undefined ? [] : ['data.split']),
    ...(filter?.where === undefined ? [] : ['data.where']),
  ];
  return userError('data', {
    where,
    message,
    ...(sections.length > 0 && { fix: `check ${sections.join(' and ')}` }),
  });
}
