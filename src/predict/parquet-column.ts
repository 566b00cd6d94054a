import type { SchemaElement } from 'hyparquet';
import type { TypedValue } from '../chunks/column.js';
import { quoted, userError } from '../core/errors.js';
import type { ParquetSchema } from '../data/readers/cell-file.js';

const nodeOf = (type: Omit<SchemaElement, 'name'>): SchemaElement => ({
  name: '',
  repetition_type: 'OPTIONAL',
  ...type,
});
const TEXT = nodeOf({ type: 'BYTE_ARRAY', converted_type: 'UTF8' });
/** Types of columns by the sorted types of their values; other values are texts. */
const INFERRED: Readonly<Record<string, SchemaElement>> = {
  bigint: nodeOf({ type: 'INT64' }),
  number: nodeOf({ type: 'DOUBLE' }),
  'bigint,number': nodeOf({ type: 'DOUBLE' }),
  boolean: nodeOf({ type: 'BOOLEAN' }),
};

/** A kept column of the output. Values without a declared type have the type of the first row group. */
export class ParquetColumn {
  readonly #name: string;
  readonly #declared: ParquetSchema | undefined;
  #inferred: SchemaElement | undefined;
  #values: TypedValue[] = [];
  /** Texts of the values if they have no declared type. */
  #texts: string[] = [];
  #numRows = 0;

  constructor(name: string, declared: ParquetSchema | undefined) {
    this.#name = name;
    this.#declared = declared;
  }

  /** Type of the row groups that were taken; text if there are none and no type is declared. */
  get schema(): ParquetSchema {
    const [top, ...below] = this.#declared ?? [this.#inferred ?? TEXT];
    return [{ ...top!, name: this.#name }, ...below];
  }

  /** Appends a value to the row group. */
  push(value: TypedValue, text: string): void {
    this.#values.push(value);
    if (this.#declared === undefined) this.#texts.push(text);
  }

  /**
   * Returns the values of the row group as hyparquet-writer takes them, and starts the next one.
   * @throws UserError (data) for a value that does not fit the type of the row groups before
   */
  takeGroup(): TypedValue[] {
    const values = this.#declared === undefined ? this.#convert() : this.#values;
    this.#numRows += values.length;
    this.#values = [];
    this.#texts = [];
    return values;
  }

  #convert(): TypedValue[] {
    const [values, texts] = [this.#values, this.#texts];
    const { type } = (this.#inferred ??= inferType(values));
    if (type === TEXT.type) return values.map((value, row) => (value === null ? null : texts[row]!));
    const row = values.findIndex((value) => !fits(value, type));
    if (row >= 0)
      throw userError('data', {
        where: `row ${this.#numRows + row + 1} of the output`,
        key: `column ${quoted(this.#name)}`,
        message: `expected ${type} or null, as in the rows before, found ${quoted(texts[row])}`,
        fix: 'correct the row, or write .jsonl or .csv',
      });
    return type === 'DOUBLE' ? values.map((value) => (value === null ? null : Number(value))) : values;
  }
}

function inferType(values: readonly TypedValue[]): SchemaElement {
  const types = new Set(values.filter((value) => value !== null).map((value) => typeof value));
  const inferred = INFERRED[[...types].sort().join(',')];
  return inferred !== undefined && values.every((value) => fits(value, inferred.type)) ? inferred : TEXT;
}

/** Returns whether a column of an inferred type can store a value exactly. */
function fits(value: TypedValue, type: SchemaElement['type']): boolean {
  if (value === null) return true;
  if (type === 'INT64') return typeof value === 'bigint' && BigInt.asIntN(64, value) === value;
  if (type === 'BOOLEAN') return typeof value === 'boolean';
  return typeof value === 'number' ? Number.isFinite(value) : typeof value === 'bigint' && isDouble(value);
}

function isDouble(value: bigint): boolean {
  const rounded = Number(value);
  return Number.isFinite(rounded) && BigInt(rounded) === value;
}
