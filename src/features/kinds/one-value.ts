import { castColumns, type Cast, type Target } from '../../chunks/casts.js';
import { ChunkRows } from '../../chunks/chunk.js';
import type { DictionaryValues, Lists } from '../../chunks/column.js';
import { createTextEncoder, eachText } from '../../chunks/encode-texts.js';
import { emptyBlock, type RowBlock } from '../../chunks/row-block.js';
import type { Encoder, Fit } from '../feature.js';
import { createUtf8Writer } from '../vocabulary/utf8.js';
import type { FieldFitter, Kind, ReadColumns } from './kind.js';

// Fields with one value per row, of one column or of several that are combined; and the items of lists.

/** How one value per row is encoded. */
export interface OneValueEncoder {
  /** @throws InvalidValueError */
  readonly encode: (text: string) => number;
  readonly direct?: Cast | undefined;
  /** Columns that are read as numbers. */
  readonly numberColumns?: readonly string[] | undefined;
  /** Whether a condition compares the values. */
  readonly isCondition?: boolean | undefined;
  /** Whether a list is read as its text; default: it is invalid. */
  readonly takesLists?: boolean;
}

/**
 * Returns the members that kinds with one value per row share.
 * @param target the memory of a field in a block
 */
export function oneValueKind(
  target: (block: RowBlock, name: string) => Target,
): Pick<Kind<'id' | 'number'>, 'takesLists' | 'isCompared' | 'reader' | 'rawForm' | 'fitter'> {
  return {
    takesLists: false,
    isCompared: false,
    reader: (field) =>
      oneValueReader(field.columns, { ...field, numberColumns: numberColumnsOf(field.columns, field) }, (block) =>
        target(block, field.name),
      ),
    rawForm: ({ columns }, { direct }) =>
      columns.length === 1 && (direct?.cell === 'id' || direct?.cell === 'number') ? 'number' : 'text',
    fitter: ({ columns }, fit) => oneValueFitter(columns, fit),
  };
}

/** Returns the columns of a field that are read as numbers: all if its values are numbers, or none. */
export function numberColumnsOf(
  columns: readonly string[],
  { direct, readsNumbers }: Pick<Encoder, 'readsNumbers'> & { readonly direct?: { readonly cell: string } | undefined },
): readonly string[] {
  return direct?.cell === 'number' || readsNumbers === true ? columns : [];
}

/** Grows memory for rows. */
function reserve(memory: Uint32Array, rows: number): Uint32Array {
  return memory.length < rows ? new Uint32Array(Math.max(rows, 2 * memory.length)) : memory;
}

/**
 * Creates a reader that encodes one value per row.
 * @param target the memory of the field in a block
 */
export function oneValueReader(
  columns: readonly string[],
  { direct, ...encoding }: OneValueEncoder,
  target: (block: RowBlock) => Target,
): ReadColumns {
  const encodeTexts = createTextEncoder({ columns, ...encoding });
  let odd: Uint32Array = new Uint32Array(0);
  return (rows, block) => {
    odd = reserve(odd, rows.count);
    const into = target(block);
    const numOdd = direct && castColumns(direct, rows, columns, into, block.rows, odd);
    encodeTexts(rows, numOdd === undefined ? undefined : odd, numOdd ?? 0, into, block.rows);
  };
}

/** Name of the column of all items of a chunk. */
export const ITEM = 'item';

/** Returns the items of `numLists` lists as rows of one column. */
export function itemRows({ offsets, items }: Lists, numLists: number): ChunkRows {
  const count = offsets[numLists]!;
  return new ChunkRows({ rows: count, columns: new Map([[ITEM, items]]), numLines: count, cellsOf: () => [] });
}

/** Creates a function that encodes all items; the result is valid until the next call. */
export function itemReader(encoder: OneValueEncoder): (items: ChunkRows) => Uint32Array {
  let ids = new Uint32Array(0);
  const block = emptyBlock();
  const read = oneValueReader([ITEM], encoder, () => ids);
  return (items) => {
    if (ids.length < items.count) ids = new Uint32Array(Math.max(items.count, 2 * ids.length));
    read(items, block);
    return ids;
  };
}

/** What a fit observes of a value: a number, or NaN for one that it observes as text. */
class Observations {
  values = new Float64Array(0);
  readonly texts: string[] = [];
  /** Number of values that are observed as texts. */
  numTexts = 0;

  reserve(rows: number): void {
    if (this.values.length < rows) this.values = new Float64Array(Math.max(rows, 2 * this.values.length));
  }
}

/** What is known of the values of a dictionary: the number that the fit observes, NaN if there is none yet. */
type Known = WeakMap<DictionaryValues, Float64Array>;

/** Creates a fitter of one value per row. */
export function oneValueFitter(columns: readonly string[], fit: Fit): FieldFitter {
  const { direct } = fit;
  const cast = direct && castOf(direct);
  const reading = { columns, numberColumns: numberColumnsOf(columns, fit) };
  const observed = new Observations();
  const known: Known = new WeakMap();
  const utf8 = createUtf8Writer();
  let odd: Uint32Array = new Uint32Array(0);
  const numberOf = (text: string): number =>
    // A value that passes the check is a number in digits, or missing.
    direct === undefined || direct.cell === 'token' || text === '' ? NaN : Number(text);

  return {
    check(rows) {
      odd = reserve(odd, rows.count);
      observed.reserve(rows.count);
      observed.numTexts = 0;
      const { values, texts } = observed;
      const dictionary = knownOf(rows, columns, known);
      const numOdd =
        dictionary === undefined
          ? cast && castColumns(cast, rows, columns, values, 0, odd)
          : takeKnown(rows, dictionary, values, odd);
      eachText(rows, reading, numOdd === undefined ? undefined : odd, numOdd ?? rows.count, (text, row) => {
        fit.check(text);
        values[row] = numberOf(text);
        if (Number.isNaN(values[row])) {
          texts[row] = text;
          observed.numTexts++;
        } else if (dictionary !== undefined) dictionary.numbers[dictionary.indices[row]!] = values[row]!;
      });
    },
    observe(rows) {
      const { texts } = observed;
      const dictionary = knownOf(rows, columns, known);
      observeRuns(rows, observed, direct, (row) => {
        const text = texts[row]!;
        fit.observe(text);
        if (dictionary === undefined || direct?.cell !== 'token') return;
        const number = direct.idOf(utf8.bytes, 0, utf8.write(text));
        if (number > 0) dictionary.numbers[dictionary.indices[row]!] = number;
      });
    },
  };
}

function castOf(direct: NonNullable<Fit['direct']>): Cast {
  switch (direct.cell) {
    case 'id':
      return { cell: 'id', below: Infinity };
    case 'number':
      return { cell: 'number', encode: direct.check && checked(direct.check) };
    case 'token':
      return direct;
  }
}

/** Returns a number as it is if a check passes. */
function checked(check: (value: number) => void): (value: number) => number {
  return (value) => {
    check(value);
    return value;
  };
}

/** The dictionary of the only column, and the numbers that are known of its values. */
interface KnownDictionary {
  readonly indices: Uint32Array;
  readonly numbers: Float64Array;
}

function knownOf(rows: ChunkRows, columns: readonly string[], known: Known): KnownDictionary | undefined {
  const dictionary = columns.length === 1 ? rows.column(columns[0]!).dictionary : undefined;
  if (dictionary === undefined) return undefined;
  const numbers = known.get(dictionary.values) ?? new Float64Array(dictionary.values.size).fill(NaN);
  known.set(dictionary.values, numbers);
  return { indices: dictionary.indices, numbers };
}

/** Writes the known numbers of all rows; returns the number of others, whose rows it writes to `odd`. */
function takeKnown(
  rows: ChunkRows,
  { indices, numbers }: KnownDictionary,
  values: Float64Array,
  odd: Uint32Array,
): number {
  let numOdd = 0;
  for (let row = 0; row < rows.count; row++) {
    values[row] = numbers[indices[row]!]!;
    if (Number.isNaN(values[row])) odd[numOdd++] = row;
  }
  return numOdd;
}

/** Observes the numbers of kept rows, run by run, and the texts between them, in the order of rows. */
function observeRuns(
  rows: ChunkRows,
  { values, numTexts }: Observations,
  direct: Fit['direct'],
  observeText: (row: number) => void,
): void {
  const observeRun = (begin: number, end: number): void => {
    if (direct?.observeAll !== undefined) direct.observeAll(values, begin, end);
    else for (let row = begin; row < end; row++) direct!.observe(values[row]!);
  };
  if (numTexts === 0 && rows.numKept === rows.count) {
    observeRun(0, rows.count);
    return;
  }
  let begin = 0;
  for (let row = 0; row < rows.count; row++) {
    const isKept = rows.isKept(row);
    if (isKept && !Number.isNaN(values[row])) continue;
    if (begin < row) observeRun(begin, row);
    if (isKept) observeText(row);
    begin = row + 1;
  }
  if (begin < rows.count) observeRun(begin, rows.count);
}
