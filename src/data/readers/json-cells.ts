import { parseJsonBag } from '../../features/bag-json.js';
import { BadValue } from '../../features/feature.js';
import { NOT_TEXT } from '../../features/parse.js';
import type { Column, Items } from '../../chunks/column.js';
import { cellText } from './cell-text.js';

/** What a cell is: nothing, a text without escapes or with some, a number or a word, a list, an object. */
export const [BLANK, TEXT, ESCAPED, LITERAL, LIST, OBJECT] = [0, 1, 2, 3, 4, 5] as const;

/** Where the cells of a column stand in the bytes that were read. */
export interface JsonCells {
  readonly kinds: Uint8Array;
  readonly begins: Uint32Array;
  readonly ends: Uint32Array;
  /** Of cells whose text is the shortest decimal of a number, or true or false. */
  readonly values: Float64Array;
  /** Whether the text of every such value is digits alone. */
  isWhole: boolean;
  /** One more than the row that has a value. */
  seen: number;
}

/** Room for the cells of a column. */
export function createJsonCells(capacity: number): JsonCells {
  return {
    kinds: new Uint8Array(capacity),
    begins: new Uint32Array(capacity),
    ends: new Uint32Array(capacity),
    values: new Float64Array(capacity),
    isWhole: true,
    seen: 0,
  };
}

const NO_CELL = new BadValue('one value or a list, not an object', 'use a path into the object, for example user.id');

/** The cells as whoever reads them takes them: text is made where somebody asks for it. */
export function columnOfCells({ kinds, begins, ends, values, isWhole }: JsonCells, bytes: Buffer): Column {
  const text = (row: number): string => {
    const kind = kinds[row];
    if (kind === BLANK) return '';
    if (kind === ESCAPED) return unescaped(bytes, begins[row]!, ends[row]!);
    return kind === LITERAL
      ? bytes.toString('latin1', begins[row], ends[row])
      : cellText(bytes, begins[row], ends[row]);
  };
  const listAt = (row: number): Items | undefined => {
    if (kinds[row] === OBJECT) throw NO_CELL;
    if (kinds[row] !== LIST) return undefined;
    const list = parseJsonBag(text(row));
    if (list === undefined) throw new Error(`JSON.parse refuses ${text(row)}`);
    return list;
  };
  const numberText = (row: number, isCompared: boolean): string => {
    const written = text(row);
    if (isCompared || kinds[row] !== LITERAL) return written;
    return written === 'true' ? '1' : written === 'false' ? '0' : written;
  };
  return { type: 'a JSON value', text, numberText, numbers: { values, isWhole }, listAt };
}

/** A text with escapes; NOT_TEXT stands for half of a surrogate pair. */
export function unescaped(bytes: Buffer, begin: number, end: number): string {
  // A text, as its quotes say.
  const text = JSON.parse(`"${cellText(bytes, begin, end)}"`) as string;
  return text.replaceAll(/\p{Surrogate}/gu, NOT_TEXT);
}
