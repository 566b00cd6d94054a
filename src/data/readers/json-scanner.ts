import type { Column } from '../../chunks/column.js';
import { cellText } from '../../features/cell-text.js';
import { jsonColumn, KINDS, unescaped, type JsonCells, type Kind } from './json-column.js';

// Scans lines of JSON objects (RFC 8259) as bytes. JSON.parse hides duplicate keys and the digits of numbers; together
// with a check of the digits, it is about 1.7 times slower.

const { ABSENT, NULL, TEXT, ESCAPED, LITERAL, LIST, OBJECT } = KINDS;

/** Thrown for a line that is not a JSON object. */
export class BadJson extends Error {
  /** @param at offset in the line, in bytes */
  constructor(
    readonly expected: string,
    readonly at: number,
  ) {
    super(expected);
  }
}

/** A key of an object: the column of its value, or -1, and the keys of an object that is its value, if any is read. */
interface KeyNode {
  column: number;
  children: Map<string, KeyNode> | undefined;
  /** The keys of the last such object in order, as UTF-8: the next object is likely to repeat them. */
  readonly order: { readonly bytes: Buffer; readonly node: KeyNode }[];
}

const newNode = (): KeyNode => ({ column: -1, children: undefined, order: [] });
/** A key whose value is not read. */
const SKIPPED_KEY = newNode();
/** Maximum number of dots of a name that are read as paths. */
const MAX_DOTS = 6;

/** Returns the keys of columns: `a.b` is the key b of the object a, or the key 'a.b'. */
function keyTree(columns: readonly string[]): KeyNode {
  const root = newNode();
  for (const [c, name] of columns.entries()) {
    for (const keys of pathsOf(name.split('.'))) {
      let node = root;
      for (const key of keys) {
        node.children ??= new Map();
        const child = node.children.get(key) ?? newNode();
        node.children.set(key, child);
        node = child;
      }
      node.column = c;
    }
  }
  return root;
}

/** Returns all ways to join successive parts with dots, as lists of keys. */
function pathsOf(parts: readonly string[]): readonly (readonly string[])[] {
  if (parts.length > 1 + MAX_DOTS) return [[parts.join('.')]];
  return parts.flatMap((_, i) => {
    const first = parts.slice(0, i + 1).join('.');
    return i === parts.length - 1 ? [[first]] : pathsOf(parts.slice(i + 1)).map((rest) => [first, ...rest]);
  });
}

/** Returns whether a value that JSON.parse returned is an object, not a list or null. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Yields the column names of an object: its keys, and the keys of nested objects after their path.
 * @param line its text: JavaScript orders keys like 101 before others
 */
export function* columnNames(value: object, line: string, path: readonly string[] = []): Generator<string> {
  const offsetOf = (key: string): number => line.indexOf(JSON.stringify(key));
  const entries = (Object.entries(value) as [string, unknown][]).sort(([a], [b]) => offsetOf(a) - offsetOf(b));
  for (const [key, child] of entries)
    if (isObject(child) && path.length < MAX_DOTS) yield* columnNames(child, line, [...path, key]);
    else yield [...path, key].join('.');
}

const [TAB, LF, CR, BLANK] = [9, 10, 13, 32];
const [QUOTE, PLUS, COMMA, MINUS, DOT, ZERO, COLON, BACKSLASH] = [34, 43, 44, 45, 46, 48, 58, 92];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const ESCAPES = new Set(Buffer.from('"\\/bfnrtu'));
const WORDS = [
  ['null', NULL, NaN],
  ['true', LITERAL, 1],
  ['false', LITERAL, 0],
] as const;
/** Digits of a number that is exact after one division by a power of ten (Clinger 1990). */
const MAX_EXACT_DIGITS = 15;
const POWERS_OF_TEN = Float64Array.from({ length: MAX_EXACT_DIGITS + 1 }, (_, i) => 10 ** i);
const MAX_DEPTH = 200;

/** Scans lines into columns, strictly. Values become text when a column is asked for it. */
export class JsonScanner {
  readonly #root: KeyNode;
  readonly #columns: readonly JsonCells[];
  readonly #isStrict: boolean;
  #bytes: Buffer = Buffer.alloc(0);
  #lineBegin = 0;
  /** Offset of the next byte. */
  #at = 0;
  #rows = 0;
  /** Value of the number or Boolean that was scanned last. */
  #number = NaN;

  /**
   * @param columns names, which may be paths
   * @param capacity maximum number of rows
   * @param isStrict whether a key that is neither a column nor part of a path is an error
   */
  constructor(columns: readonly string[], capacity: number, isStrict: boolean) {
    this.#root = keyTree(columns);
    this.#isStrict = isStrict;
    this.#columns = columns.map(() => ({
      kinds: new Uint8Array(capacity),
      begins: new Uint32Array(capacity),
      ends: new Uint32Array(capacity),
      values: new Float64Array(capacity),
      hasBooleans: false,
      isPlain: true,
    }));
  }

  /** Number of rows since the start. */
  get rows(): number {
    return this.#rows;
  }

  /** Returns the rows of a column; valid until the next start. */
  column(index: number): Column {
    return jsonColumn(this.#columns[index]!, this.#bytes);
  }

  /** Starts with the bytes of other lines, which invalidates all columns. */
  start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#rows = 0;
    for (const cells of this.#columns) {
      cells.hasBooleans = false;
      cells.isPlain = true;
    }
  }

  /**
   * Scans the object of a line as the next row.
   * @param end offset of the line feed
   * @returns false for a blank line
   * @throws BadJson
   */
  scanLine(begin: number, end: number): boolean {
    this.#at = this.#lineBegin = begin;
    const byte = this.#skipBlanks();
    if (this.#at === end) return false;
    for (const { kinds, begins, ends, values } of this.#columns) {
      kinds[this.#rows] = ABSENT;
      begins[this.#rows] = ends[this.#rows] = 0;
      values[this.#rows] = NaN;
    }
    if (byte !== OPEN_OBJECT) this.#reject('an object in braces');
    this.#scanObject(this.#root, 0);
    this.#skipBlanks();
    if (this.#at !== end) this.#reject('the end of the line after the object');
    this.#rows++;
    return true;
  }

  #scanObject(node: KeyNode, depth: number): typeof OBJECT {
    if (this.#opensEmpty(CLOSE_OBJECT, depth)) return OBJECT;
    let place = 0;
    do {
      if (this.#skipBlanks() !== QUOTE) this.#reject('a key in quotes');
      const child = this.#scanKey(node, place++);
      if (this.#skipBlanks() !== COLON) this.#reject('a colon after a key');
      this.#at++;
      const byte = this.#skipBlanks();
      if (byte === OPEN_OBJECT && child.children !== undefined) this.#scanObject(child, depth + 1);
      else if (child.column < 0) this.#scanValue(depth + 1);
      else this.#scanCell(this.#columns[child.column]!, depth + 1);
    } while (this.#continues(CLOSE_OBJECT));
    return OBJECT;
  }

  #scanList(depth: number): typeof LIST {
    if (this.#opensEmpty(CLOSE_LIST, depth)) return LIST;
    do {
      this.#skipBlanks();
      this.#scanValue(depth + 1);
    } while (this.#continues(CLOSE_LIST));
    return LIST;
  }

  /** Scans the opening bracket or brace, and the closing one if nothing is between them. */
  #opensEmpty(close: number, depth: number): boolean {
    if (depth === MAX_DEPTH) this.#reject(`at most ${MAX_DEPTH} levels of nesting`);
    this.#at++;
    if (this.#skipBlanks() !== close) return false;
    this.#at++;
    return true;
  }

  /** Scans a comma, or the closing bracket or brace. */
  #continues(close: number): boolean {
    const next = this.#skipBlanks();
    if (next !== COMMA && next !== close) this.#reject(`a comma or ${String.fromCharCode(close)} after a value`);
    this.#at++;
    return next === COMMA;
  }

  /** Scans key number `place` of an object from its first quote. */
  #scanKey({ children, order }: KeyNode, place: number): KeyNode {
    const likely = order[place];
    if (likely !== undefined && this.#skips(likely.bytes)) return likely.node;
    const begin = this.#at + 1;
    const kind = this.#scanString();
    if (children === undefined) return SKIPPED_KEY;
    const end = this.#at - 1;
    const key = kind === ESCAPED ? unescaped(this.#bytes, begin, end) : cellText(this.#bytes, begin, end);
    const node = children.get(key);
    if (node === undefined && this.#isStrict)
      this.#reject(
        `only keys that the first lines have, found ${JSON.stringify(key).slice(0, 60)}; set format: jsonl and ` +
          'list it in data.columns',
        begin - 1,
      );
    if (kind === TEXT && place <= order.length)
      order[place] = { bytes: Buffer.from(this.#bytes.subarray(begin - 1, end + 1)), node: node ?? SKIPPED_KEY };
    return node ?? SKIPPED_KEY;
  }

  /** Skips some bytes if they are next. */
  #skips(expected: Buffer): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
    this.#at = at + expected.length;
    return true;
  }

  #scanCell(cells: JsonCells, depth: number): void {
    const row = this.#rows;
    const begin = this.#at;
    if (cells.kinds[row] !== ABSENT) this.#reject('unique keys, found one twice', begin - 1);
    const kind = this.#scanValue(depth);
    const numQuotes = kind === TEXT || kind === ESCAPED ? 1 : 0;
    cells.kinds[row] = kind;
    cells.begins[row] = begin + numQuotes;
    cells.ends[row] = kind === NULL ? begin : this.#at - numQuotes;
    if (kind !== TEXT && kind !== LITERAL && kind !== NULL) cells.isPlain = false;
    if (kind !== LITERAL) return;
    cells.values[row] = this.#number;
    if (this.#bytes[begin]! > COLON) cells.hasBooleans = true;
  }

  #scanValue(depth: number): Kind {
    const byte = this.#bytes[this.#at]!;
    if (byte === QUOTE) return this.#scanString();
    if (byte === MINUS || (byte >= ZERO && byte < COLON)) return this.#scanNumber();
    if (byte === OPEN_LIST) return this.#scanList(depth);
    return byte === OPEN_OBJECT ? this.#scanObject(SKIPPED_KEY, depth) : this.#scanWord();
  }

  #scanWord(): Kind {
    for (const [word, kind, number] of WORDS) {
      if (this.#bytes.toString('latin1', this.#at, this.#at + word.length) !== word) continue;
      this.#at += word.length;
      this.#number = number;
      return kind;
    }
    return this.#reject('a value: a quoted string, a number, true, false, null, an array or an object');
  }

  /** Scans a string from its first quote. */
  #scanString(): typeof TEXT | typeof ESCAPED {
    const bytes = this.#bytes;
    const begin = this.#at;
    let kind: typeof TEXT | typeof ESCAPED = TEXT;
    let at = begin + 1;
    for (let byte = bytes[at]!; byte !== QUOTE; byte = bytes[at]!) {
      if (byte === LF) this.#reject('a quote that closes the string', begin);
      if (byte < BLANK) this.#reject('a control character in a string to be escaped with a backslash', at);
      if (byte === BACKSLASH) {
        kind = ESCAPED;
        this.#checkEscape(++at);
      }
      at++;
    }
    this.#at = at + 1;
    return kind;
  }

  /** Checks what follows a backslash. */
  #checkEscape(at: number): void {
    const bytes = this.#bytes;
    if (!ESCAPES.has(bytes[at]!)) this.#reject('a quote, a backslash or one of /bfnrtu after a backslash', at);
    if (bytes[at] === 117 && !/^[0-9a-fA-F]{4}$/.test(bytes.toString('latin1', at + 1, at + 5)))
      this.#reject('four hexadecimal digits after \\u', at + 1);
  }

  /** Scans a number to `#number`: NaN unless its text is the shortest decimal of a double. */
  #scanNumber(): typeof LITERAL {
    const isNegative = this.#bytes[this.#at] === MINUS;
    if (isNegative) this.#at++;
    const begin = this.#at;
    let value = this.#scanDigits(0, 'a digit');
    let numDigits = this.#at - begin;
    if (numDigits > 1 && this.#bytes[begin] === ZERO)
      this.#reject('a number without leading zeros (strings are quoted)', begin);
    let numDecimals = 0;
    if (this.#bytes[this.#at] === DOT) {
      const first = ++this.#at;
      value = this.#scanDigits(value, 'a digit after the decimal point');
      numDecimals = this.#at - first;
      numDigits += numDecimals;
    }
    const isShortest =
      numDigits <= MAX_EXACT_DIGITS &&
      (numDecimals === 0 || this.#bytes[this.#at - 1] !== ZERO) &&
      !(isNegative && value === 0);
    if (this.#scanExponent() || !isShortest) this.#number = NaN;
    else this.#number = (isNegative ? -value : value) / POWERS_OF_TEN[numDecimals]!;
    return LITERAL;
  }

  #scanExponent(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== 101 && bytes[this.#at] !== 69) return false;
    this.#at++;
    if (bytes[this.#at] === PLUS || bytes[this.#at] === MINUS) this.#at++;
    this.#scanDigits(0, 'a digit in the exponent');
    return true;
  }

  /** Scans at least one digit; returns the number of `value` followed by them. */
  #scanDigits(value: number, expected: string): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let digit = bytes[at]! - ZERO;
    if (!(digit >= 0 && digit <= 9)) this.#reject(expected);
    for (; digit >= 0 && digit <= 9; digit = bytes[++at]! - ZERO) value = value * 10 + digit;
    this.#at = at;
    return value;
  }

  /** Skips white space; returns the next byte. */
  #skipBlanks(): number {
    let byte = this.#bytes[this.#at]!;
    while (byte === BLANK || byte === TAB || byte === CR) byte = this.#bytes[++this.#at]!;
    return byte;
  }

  #reject(expected: string, at = this.#at): never {
    throw new BadJson(expected, at - this.#lineBegin);
  }
}
