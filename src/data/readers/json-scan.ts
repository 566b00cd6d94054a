import type { Column } from '../../chunks/column.js';
import { cellText } from './cell-text.js';
import {
  BLANK,
  columnOfCells,
  createJsonCells,
  ESCAPED,
  LIST,
  LITERAL,
  OBJECT,
  TEXT,
  unescaped,
} from './json-cells.js';
import { SKIPPED_KEY, type KeyNode } from './json-keys.js';

// Reads a line with a JSON object (RFC 8259) as bytes, strictly: JSON.parse takes the last of two keys that are the
// same, and
// rounds whole numbers beyond 2^53. Values become text only where somebody asks for it.

/** A line that is no object, or none that can be read. */
export class BadJson extends Error {
  /** @param at the byte of the line, from 0 on */
  constructor(
    readonly expected: string,
    readonly at: number,
  ) {
    super(expected);
  }
}

/** Reads lines into columns. */
export interface JsonScanner {
  /** Takes the bytes that lines are in; what was read before is not valid any more. */
  start(bytes: Buffer): void;
  /**
   * Reads the object on a line.
   * @param end where the line feed stands
   * @throws BadJson
   */
  scanLine(begin: number, end: number): void;
  /** Rows since the start. */
  readonly rows: number;
  /** Their cells, by the number of the column; valid until the next start. */
  column(number: number): Column;
}

const [QUOTE, COMMA, MINUS, DOT, ZERO, COLON, BACKSLASH] = [34, 44, 45, 46, 48, 58, 92];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const ESCAPES = Uint8Array.from({ length: 128 }, (_, byte) =>
  '"\\/bfnrtu'.includes(String.fromCharCode(byte)) ? 1 : 0,
);
const WORDS = ['true', 'false', 'null'] as const;
/**
 * A number of so many digits, divided by a power of ten up to 10^22, is rounded once, as `Number` does (Clinger 1990).
 */
const MAX_EXACT_DIGITS = 15;
const POWERS = Float64Array.from({ length: MAX_EXACT_DIGITS + 1 }, (_, i) => 10 ** i);
/** Values in values that are looked through. */
const MAX_DEPTH = 200;

/**
 * A scanner for objects.
 * @param root the ways to columns
 * @param isStrict whether a key that leads nowhere is an error
 */
export function createJsonScanner(root: KeyNode, numColumns: number, capacity: number, isStrict: boolean): JsonScanner {
  const columns = Array.from({ length: numColumns }, () => createJsonCells(capacity));
  let data: Buffer = Buffer.alloc(0);
  let at = 0;
  let lineBegin = 0;
  let rows = 0;

  const bad = (expected: string, place = at): never => {
    throw new BadJson(expected, place - lineBegin);
  };

  const skipBlanks = (): number => {
    let byte = data[at]!;
    while (byte === 32 || byte === 9 || byte === 13) byte = data[++at]!;
    return byte;
  };

  /** Reads a text from behind its first quote to behind its last one; whether there are escapes in it. */
  const scanText = (): boolean => {
    const begin = at;
    let hasEscapes = false;
    for (;;) {
      const byte = data[at]!;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        hasEscapes = true;
        const escape = data[at + 1]!;
        if (ESCAPES[escape] !== 1) bad('a quote, a backslash or one of /bfnrtu after a backslash', at + 1);
        if (escape === 117 && !/^[0-9a-fA-F]{4}$/.test(data.toString('latin1', at + 2, at + 6)))
          bad('four hexadecimal digits after \\u', at + 2);
        at += 2;
      } else if (byte < 32) {
        bad(
          byte === 10
            ? 'a quote that closes the string'
            : 'a control character in a string to be escaped with a backslash',
          byte === 10 ? begin - 1 : at,
        );
      } else at++;
    }
    at++;
    return hasEscapes;
  };

  /** Reads a number; its value where that says all that its text does, else NaN. */
  const scanNumber = (): number => {
    const isNegative = data[at] === MINUS;
    if (isNegative) at++;
    const first = at;
    let value = 0;
    let digit = data[at]! - ZERO;
    if (!(digit >= 0 && digit <= 9)) bad('a digit');
    for (; digit >= 0 && digit <= 9; digit = data[at]! - ZERO) {
      value = value * 10 + digit;
      at++;
    }
    let digits = at - first;
    if (digits > 1 && data[first] === ZERO) bad('a number without leading zeros (strings are quoted)', first);
    let decimals = 0;
    if (data[at] === DOT) {
      at++;
      for (digit = data[at]! - ZERO; digit >= 0 && digit <= 9; digit = data[at]! - ZERO) {
        value = value * 10 + digit;
        decimals++;
        at++;
      }
      if (decimals === 0) bad('a digit after the decimal point');
      digits += decimals;
    }
    let isShort =
      digits <= MAX_EXACT_DIGITS && (decimals === 0 || data[at - 1] !== ZERO) && !(isNegative && value === 0);
    if (data[at] === 101 || data[at] === 69) {
      isShort = false;
      at++;
      if (data[at] === 43 || data[at] === MINUS) at++;
      if (!(data[at]! >= ZERO && data[at]! <= 57)) bad('a digit in the exponent');
      while (data[at]! >= ZERO && data[at]! <= 57) at++;
    }
    if (!isShort) return NaN;
    if (decimals > 0) value /= POWERS[decimals]!;
    return isNegative ? -value : value;
  };

  const scanWord = (): (typeof WORDS)[number] => {
    for (const word of WORDS) {
      if (data.toString('latin1', at, at + word.length) !== word) continue;
      at += word.length;
      return word;
    }
    return bad('a value: a quoted string, a number, true, false, null, an array or an object');
  };

  /** Reads a value that nobody asks for. */
  const skipValue = (depth: number): void => {
    const byte = data[at]!;
    if (byte === QUOTE) {
      at++;
      scanText();
    } else if (byte === OPEN_LIST) {
      if (depth === MAX_DEPTH) bad(`at most ${MAX_DEPTH} levels of nesting`);
      at++;
      if (skipBlanks() === CLOSE_LIST) at++;
      else {
        for (;;) {
          skipBlanks();
          skipValue(depth + 1);
          const next = skipBlanks();
          if (next !== COMMA && next !== CLOSE_LIST) bad('a comma or ] after a value');
          at++;
          if (next === CLOSE_LIST) break;
        }
      }
    } else if (byte === OPEN_OBJECT) scanObject(SKIPPED_KEY, depth);
    else if (byte === MINUS || (byte >= ZERO && byte <= 57)) scanNumber();
    else scanWord();
  };

  /** Reads the value of a column. */
  const scanCell = (node: KeyNode, depth: number): void => {
    const cells = columns[node.column]!;
    const row = rows;
    if (cells.seen === row + 1) bad('unique keys, found one twice', at - 1);
    cells.seen = row + 1;
    const byte = data[at]!;
    let begin = at;
    let end = -1;
    let kind: number = LITERAL;
    if (byte === QUOTE) {
      begin = ++at;
      kind = scanText() ? ESCAPED : TEXT;
      end = at - 1;
    } else if (byte === MINUS || (byte >= ZERO && byte <= 57)) {
      const value = scanNumber();
      cells.values[row] = value;
      if (!Number.isInteger(value)) cells.isWhole = false;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      kind = byte === OPEN_LIST ? LIST : OBJECT;
      skipValue(depth);
    } else {
      const word = scanWord();
      if (word === 'null') kind = BLANK;
      else {
        cells.values[row] = word === 'true' ? 1 : 0;
        cells.isWhole = false;
      }
    }
    cells.kinds[row] = kind;
    cells.begins[row] = begin;
    cells.ends[row] = end < 0 ? at : end;
  };

  /** Reads a key from behind its quote, and finds where it leads. */
  const scanKey = ({ children, order }: KeyNode, place: number): KeyNode => {
    const likely = order[place];
    if (likely !== undefined) {
      const { bytes } = likely;
      let i = 0;
      while (i < bytes.length && data[at + i] === bytes[i]) i++;
      if (i === bytes.length && data[at + i] === QUOTE) {
        at += i + 1;
        return likely.node;
      }
    }
    const begin = at;
    const hasEscapes = scanText();
    if (children === undefined) return SKIPPED_KEY;
    const key = hasEscapes ? unescaped(data, begin, at - 1) : cellText(data, begin, at - 1);
    const node = children.get(key);
    if (node === undefined && isStrict)
      bad(
        `only keys that the first lines have, found ${JSON.stringify(key).slice(0, 60)}; set format: jsonl and ` +
          'list it in data.columns',
        begin - 1,
      );
    if (!hasEscapes && place <= order.length)
      order[place] = { bytes: Buffer.from(data.subarray(begin, at - 1)), node: node ?? SKIPPED_KEY };
    return node ?? SKIPPED_KEY;
  };

  function scanObject(node: KeyNode, depth: number): void {
    if (depth === MAX_DEPTH) bad(`at most ${MAX_DEPTH} levels of nesting`);
    at++;
    if (skipBlanks() === CLOSE_OBJECT) {
      at++;
      return;
    }
    for (let place = 0; ; place++) {
      if (skipBlanks() !== QUOTE) bad('a key in quotes');
      at++;
      const child = node.children === undefined ? (scanText(), SKIPPED_KEY) : scanKey(node, place);
      if (skipBlanks() !== COLON) bad('a colon after a key');
      at++;
      const byte = skipBlanks();
      if (byte === OPEN_OBJECT && child.children !== undefined) scanObject(child, depth + 1);
      else if (child.column < 0) skipValue(depth + 1);
      else scanCell(child, depth + 1);
      const next = skipBlanks();
      if (next !== COMMA && next !== CLOSE_OBJECT) bad('a comma or } after a value');
      at++;
      if (next === CLOSE_OBJECT) return;
    }
  }

  return {
    start(bytes) {
      data = bytes;
      rows = 0;
      for (const cells of columns) {
        cells.isWhole = true;
        cells.seen = 0;
      }
    },
    scanLine(begin, end) {
      at = lineBegin = begin;
      for (const cells of columns) {
        cells.kinds[rows] = BLANK;
        cells.values[rows] = NaN;
        if (cells.seen > rows) cells.seen = 0;
      }
      if (skipBlanks() !== OPEN_OBJECT) bad('an object in braces');
      scanObject(root, 0);
      skipBlanks();
      if (at !== end) bad('the end of the line after the object');
      rows++;
    },
    get rows() {
      return rows;
    },
    column: (number) => columnOfCells(columns[number]!, data),
  };
}
