import type { Column, ItemForm, Items, TypedValue } from '../../chunks/column.js';
import { parseJsonBag } from '../../features/bag-json.js';
import { cellText } from '../../features/cell-text.js';
import { NOT_TEXT } from '../../features/parse.js';
import { InvalidValueError } from '../../text/invalid-value.js';

/** What is stored for a row: no key, null, a string without or with escapes, a number or Boolean, a list, an object. */
export const KINDS = { ABSENT: 0, NULL: 1, TEXT: 2, ESCAPED: 3, LITERAL: 4, LIST: 5, OBJECT: 6 } as const;
export type Kind = Exclude<(typeof KINDS)[keyof typeof KINDS], typeof KINDS.ABSENT>;
const { ABSENT, NULL, ESCAPED, LITERAL, LIST, OBJECT } = KINDS;
const INTEGER = /^-?\d+$/;

/** The values of a column, as ranges of the bytes that were scanned. */
export interface JsonCells {
  readonly kinds: Uint8Array;
  readonly begins: Uint32Array;
  readonly ends: Uint32Array;
  /** Numbers and Booleans; NaN unless the text is the shortest decimal. */
  readonly values: Float64Array;
  hasBooleans: boolean;
  /** Whether the text of every value is its bytes: there are no escapes, lists and objects. */
  isPlain: boolean;
}

const NO_OBJECT = new InvalidValueError(
  'one value or a list, not an object',
  'use a path into the object, for example user.id',
);

/** Creates a column from the bytes that were scanned. */
export function jsonColumn({ kinds, begins, ends, values, hasBooleans, isPlain }: JsonCells, bytes: Buffer): Column {
  const text = (row: number): string => {
    const kind = kinds[row]!;
    if (kind === ABSENT || kind === NULL) return '';
    return kind === ESCAPED
      ? unescaped(bytes, begins[row]!, ends[row]!)
      : kind === LITERAL
        ? bytes.toString('latin1', begins[row], ends[row])
        : cellText(bytes, begins[row], ends[row]);
  };
  const listAt = (row: number, form?: ItemForm): Items | undefined => {
    if (kinds[row] === OBJECT) throw NO_OBJECT;
    if (kinds[row] !== LIST) return undefined;
    const list = parseJsonBag(text(row), form);
    if (list === undefined) throw new Error(`JSON.parse refuses ${text(row)}`);
    return list;
  };
  const numberText = (row: number, isCompared: boolean): string => {
    const written = text(row);
    if (isCompared || kinds[row] !== LITERAL) return written;
    return written === 'true' ? '1' : written === 'false' ? '0' : written;
  };
  const value = (row: number): TypedValue => {
    const kind = kinds[row]!;
    if (kind === ABSENT || kind === NULL) return null;
    const written = text(row);
    if (kind !== LITERAL) return written;
    if (written === 'true' || written === 'false') return written === 'true';
    return INTEGER.test(written) ? BigInt(written) : Number(written);
  };
  // A Boolean is also a number, whose text is another one.
  const utf8 = isPlain && !hasBooleans ? { bytes, begins, ends, stride: 1, gap: 0 } : undefined;
  return {
    type: 'a JSON value',
    text,
    numberText,
    value,
    numbers: { values, isWhole: !hasBooleans },
    ...(utf8 && { utf8 }),
    listAt,
  };
}

/** Returns a string with escapes; NOT_TEXT marks half of a surrogate pair. */
export function unescaped(bytes: Buffer, begin: number, end: number): string {
  // The quotes make it a string.
  const text = JSON.parse(`"${cellText(bytes, begin, end)}"`) as string;
  return text.replaceAll(/\p{Surrogate}/gu, NOT_TEXT);
}
