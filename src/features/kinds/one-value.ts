import { castColumns, type Cast } from '../../chunks/casts.js';
import { ChunkRows } from '../../chunks/chunk.js';
import type { DictionaryValues, Lists, Target } from '../../chunks/column.js';
import { eachText, textEncoder, type TextReading } from '../../chunks/encode-texts.js';
import { emptyBlock, type RowBlock } from '../../chunks/row-block.js';
import type { Encoder, Fit } from '../feature.js';
import { createUtf8Writer } from '../vocabulary/utf8.js';
import type { FieldFitter, Kind, ReadColumns } from './kind.js';

// Fields with one value per row, of one column or of several that are combined; and the items of lists.

/** How one value per row is encoded. */
export interface OneValueEncoder {
  /** @throws InvalidValueError */
  readonly encode: (text: string) => number;
  /** Whether a text may have another number in the next batch; default: no. */
  readonly isTransient?: boolean | undefined;
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
      oneValueReader(field.columns, { ...field, numberColumns: listNumberColumns(field.columns, field) }, (block) =>
        target(block, field.name),
      ),
    rawForm: ({ columns }, { direct }) =>
      columns.length === 1 && (direct?.cell === 'id' || direct?.cell === 'number') ? 'number' : 'text',
    fitter: ({ columns }, fit) => new OneValueFitter(columns, fit),
  };
}

/** Returns the columns of a field that are read as numbers: all if its values are numbers, or none. */
export function listNumberColumns(
  columns: readonly string[],
  { direct, readsNumbers }: Pick<Encoder, 'readsNumbers'> & { readonly direct?: { readonly cell: string } | undefined },
): readonly string[] {
  return direct?.cell === 'number' || readsNumbers === true ? columns : [];
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
  const encodeTexts = textEncoder({ columns, ...encoding });
  let odd = new Uint32Array(0);
  return (rows, block) => {
    if (odd.length < rows.count) odd = new Uint32Array(Math.max(rows.count, 2 * odd.length));
    const into = target(block);
    const numOdd = direct && castColumns(direct, rows, columns, { into, first: block.rows, odd });
    if (numOdd !== 0) encodeTexts(rows, into, block.rows, numOdd === undefined ? undefined : odd.subarray(0, numOdd));
  };
}

/** Name of the column of all items of a chunk. */
export const ITEM = 'item';

/** Returns the items of `numLists` lists as rows of one column. */
export function itemRows({ offsets, items }: Lists, numLists: number): ChunkRows {
  const count = offsets[numLists]!;
  return new ChunkRows({ rows: count, columns: new Map([[ITEM, items]]), numLines: count, cellsOf: () => [] });
}

/** Creates a function that encodes all items as ids; the result is valid until the next call. */
export function itemReader(encoder: OneValueEncoder): (items: ChunkRows) => Uint32Array {
  return arrayReader([ITEM], encoder, Uint32Array);
}

/** Creates a function that encodes all items as numbers; the result is valid until the next call. */
export function itemNumberReader(encoder: OneValueEncoder): (items: ChunkRows) => Float32Array {
  return arrayReader([ITEM], encoder, Float32Array);
}

/** Creates a function that encodes one value per row to an array; the result is valid until the next call. */
export function arrayReader<Values extends Target>(
  columns: readonly string[],
  encoder: OneValueEncoder,
  Values: new (length: number) => Values,
): (rows: ChunkRows) => Values {
  let values = new Values(0);
  const block = emptyBlock();
  const read = oneValueReader(columns, encoder, () => values);
  return (rows) => {
    if (values.length < rows.count) values = new Values(Math.max(rows.count, 2 * values.length));
    read(rows, block);
    return values;
  };
}

/** Rows of a dictionary, and the number that a fit observes per value; NaN if it is not known yet, or is a text. */
interface KnownDictionary {
  readonly indices: Uint32Array;
  readonly numbers: Float64Array;
}

/** Fits one value per row: a value is observed as a number, or else as a text. */
export class OneValueFitter implements FieldFitter {
  readonly #columns: readonly string[];
  readonly #fit: Fit;
  readonly #cast: Cast | undefined;
  readonly #reading: TextReading;
  /** Values of the checked chunk as numbers, NaN for those that are observed as texts. */
  #numbers = new Float64Array(0);
  readonly #texts: string[] = [];
  #numTexts = 0;
  #odd = new Uint32Array(0);
  readonly #known = new WeakMap<DictionaryValues, Float64Array>();
  readonly #utf8 = createUtf8Writer();

  constructor(columns: readonly string[], fit: Fit) {
    this.#columns = columns;
    this.#fit = fit;
    this.#cast = fit.direct && castOf(fit.direct);
    this.#reading = { columns, numberColumns: listNumberColumns(columns, fit) };
  }

  check(rows: ChunkRows): void {
    if (this.#odd.length < rows.count) {
      this.#odd = new Uint32Array(Math.max(rows.count, 2 * this.#odd.length));
      this.#numbers = new Float64Array(this.#odd.length);
    }
    this.#numTexts = 0;
    const [numbers, texts, { check, direct }] = [this.#numbers, this.#texts, this.#fit];
    const dictionary = this.#knownOf(rows);
    const numOdd =
      dictionary === undefined
        ? this.#cast && castColumns(this.#cast, rows, this.#columns, { into: numbers, first: 0, odd: this.#odd })
        : readKnown(rows, dictionary, numbers, this.#odd);
    const read = (text: string, row: number): void => {
      check(text);
      // A valid value is a number in digits, or missing.
      const number = direct === undefined || direct.cell === 'token' || text === '' ? NaN : Number(text);
      numbers[row] = number;
      if (Number.isNaN(number)) {
        texts[row] = text;
        this.#numTexts++;
      } else if (dictionary !== undefined) dictionary.numbers[dictionary.indices[row]!] = number;
    };
    eachText(rows, this.#reading, read, numOdd === undefined ? undefined : this.#odd.subarray(0, numOdd));
  }

  /** Observes the numbers of kept rows, run by run, and the texts between them, in order. */
  observe(rows: ChunkRows): void {
    if (this.#numTexts === 0 && rows.numKept === rows.count) {
      this.#observeRun(0, rows.count);
      return;
    }
    const dictionary = this.#knownOf(rows);
    let begin = 0;
    for (let row = 0; row < rows.count; row++) {
      const isKept = rows.isKept(row);
      if (isKept && !Number.isNaN(this.#numbers[row])) continue;
      this.#observeRun(begin, row);
      if (isKept) this.#observeText(row, dictionary);
      begin = row + 1;
    }
    this.#observeRun(begin, rows.count);
  }

  #observeRun(begin: number, end: number): void {
    if (begin < end) this.#fit.direct!.observe(this.#numbers, begin, end);
  }

  #observeText(row: number, dictionary: KnownDictionary | undefined): void {
    const text = this.#texts[row]!;
    const { direct } = this.#fit;
    this.#fit.observe(text);
    if (dictionary === undefined || direct?.cell !== 'token') return;
    const length = this.#utf8.write(text);
    const number = direct.idOf(this.#utf8.bytes, 0, length);
    if (number > 0) dictionary.numbers[dictionary.indices[row]!] = number;
  }

  /** Returns the dictionary of the only column; undefined if its values are numbers, which a cast reads faster. */
  #knownOf(rows: ChunkRows): KnownDictionary | undefined {
    const column = rows.column(this.#columns[0]!);
    const { dictionary } = column;
    // The numbers of a dictionary are computed if they are read.
    const isCast = this.#cast !== undefined && this.#cast.cell !== 'token' && 'numbers' in column;
    if (dictionary === undefined || this.#columns.length > 1 || isCast) return undefined;
    const numbers = this.#known.get(dictionary.values) ?? new Float64Array(dictionary.values.size).fill(NaN);
    this.#known.set(dictionary.values, numbers);
    return { indices: dictionary.indices, numbers };
  }
}

function castOf(direct: NonNullable<Fit['direct']>): Cast {
  if (direct.cell === 'token') return direct;
  if (direct.cell === 'id') return { cell: 'id', below: Infinity };
  const { check } = direct;
  const encode = (value: number): number => {
    check!(value);
    return value;
  };
  return { cell: 'number', encode: check && encode };
}

/** Writes the known numbers of all rows; returns the number of other rows, which it writes to `odd`. */
function readKnown(
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
