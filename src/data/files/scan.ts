import { BadValue, CELL_SEPARATOR, type TokenLookup } from '../../features/feature.js';
import type { Dialect } from '../dialect.js';
import type { ColumnReader, DirectCells } from '../rows/column-reader.js';
import type { LineCount, PlainBytes } from './cell-file.js';
import { cellText, cellTexts } from './cell-text.js';

// Reads plain CSV as bytes: no quotes, one byte between cells, every line with an end. What is unusual in a cell is given to the cell's reader as text,
// and a row that is unusual in any other way to the reader of whole rows, which says what is wrong with it.

/** What a scanner fills and asks. */
export interface ScanTarget {
  /** Columns of the CSV. */
  readonly width: number;
  readonly dialect: Dialect;
  readonly indices: ReadonlyMap<string, number>;
  readonly readers: readonly ColumnReader[];
  /** Where readers write: to row `rows`, which is full at `capacity`. */
  readonly block: { rows: number };
  readonly capacity: number;
  /** Whether the row is kept that was just read. @throws BadValue */
  readonly settle: (line: number) => boolean;
  /** Reads a row from its cells, or tells what is wrong with it; true where it is to be kept. */
  readonly readRow: (cells: readonly string[], line: number) => boolean;
}

/** Reads bytes into a block, as far as it has room. */
export interface Scanner {
  start(bytes: PlainBytes): void;
  /** Reads on; true once all is read, false where the block is full before. */
  scan(): boolean;
}

const LF = 10;
const CR = 13;
const ZERO = 48;
const SKIP = 0;
const ID = 1;
const NUMBER = 2;
const CLASS = 3;
const TOKEN = 4;
const TEXT = 5;
const KINDS = { id: ID, number: NUMBER, class: CLASS, token: TOKEN } as const satisfies Record<DirectCells['cell'], number>;
/** Every id of so many digits is below 2^31. */
const MAX_ID_DIGITS = 9;
/** A number of so many digits, divided by a power of ten up to 10^22, is rounded once, as `Number` does (Clinger 1990). */
const MAX_EXACT_DIGITS = 15;
const POWERS = Float64Array.from({ length: MAX_EXACT_DIGITS + 1 }, (_, i) => 10 ** i);

/** A scanner for rows of these columns. */
export function createScanner({ width, dialect, indices, readers, block, capacity, settle, readRow }: ScanTarget): Scanner {
  const kinds = new Uint8Array(width);
  const below = new Float64Array(width);
  const encodes = new Array<((value: number) => number) | undefined>(width);
  const lookups = new Array<TokenLookup | undefined>(width);
  const intos = new Array<DirectCells['into'] | undefined>(width);
  const readerOf = new Array<ColumnReader | undefined>(width);
  /** Readers that always need text, with their columns. */
  const textReaders: { readonly read: (text: string) => void; readonly columns: readonly number[] }[] = [];
  for (const reader of readers) {
    const columns = reader.columns.map((name) => indices.get(name)!);
    const [column] = columns as [number];
    if (reader.isKept === true) {
      textReaders.push({ read: reader.read, columns });
      continue;
    }
    const isShared = readers.some((other) => other !== reader && other.isKept !== true && other.columns.includes(reader.columns[0]!));
    if (reader.direct === undefined || columns.length > 1 || isShared) {
      textReaders.push({ read: reader.read, columns });
      for (const c of columns) kinds[c] = TEXT;
      continue;
    }
    const { direct } = reader;
    kinds[column] = KINDS[direct.cell];
    if (direct.cell === 'id') below[column] = direct.below;
    if (direct.cell === 'number') encodes[column] = direct.encode;
    if (direct.cell === 'token') lookups[column] = direct.idOf;
    intos[column] = direct.into;
    readerOf[column] = reader;
  }
  const separator = dialect.delimiter.charCodeAt(0);
  const begins = new Uint32Array(width);
  const ends = new Uint32Array(width);
  const unusual = new Uint32Array(width);

  let bytes: Buffer = Buffer.alloc(0);
  let at = 0;
  let end = 0;
  let next: LineCount;
  const textOf = (column: number): string => cellText(bytes, begins[column], ends[column]);

  /** Reads the cells of a row that starts at `at`, and leaves `at` behind them; false where it is not plain to its end. */
  const scanCells = (): boolean => {
    const data = bytes;
    const row = block.rows;
    const between = separator;
    let numUnusual = 0;
    let p = at;
    for (let c = 0; c < width; c++) {
      const begin = p;
      let byte = data[p]!;
      let isPlain = false;
      switch (kinds[c]) {
        case ID: {
          let id = 0;
          for (let digit = byte - ZERO; digit >= 0 && digit <= 9 && p - begin <= MAX_ID_DIGITS; digit = byte - ZERO) {
            id = id * 10 + digit;
            byte = data[++p]!;
          }
          const digits = p - begin;
          isPlain = digits > 0 && digits <= MAX_ID_DIGITS && id < below[c]!;
          if (isPlain) intos[c]![row] = id;
          break;
        }
        case NUMBER: {
          const isNegative = byte === 45;
          if (isNegative) byte = data[++p]!;
          const first = p;
          let value = 0;
          for (let digit = byte - ZERO; digit >= 0 && digit <= 9; digit = byte - ZERO) {
            value = value * 10 + digit;
            byte = data[++p]!;
          }
          let digits = p - first;
          let decimals = 0;
          if (byte === 46) {
            const point = p;
            byte = data[++p]!;
            for (let digit = byte - ZERO; digit >= 0 && digit <= 9; digit = byte - ZERO) {
              value = value * 10 + digit;
              byte = data[++p]!;
            }
            decimals = p - point - 1;
            digits += decimals;
          }
          isPlain = digits > 0 && digits <= MAX_EXACT_DIGITS && (byte === between || byte === LF || byte === CR);
          if (isPlain) {
            if (decimals > 0) value /= POWERS[decimals]!;
            if (isNegative) value = -value;
            const encode = encodes[c];
            intos[c]![row] = encode === undefined ? value : encode(value);
          }
          break;
        }
        case CLASS:
          isPlain = byte === 48 || byte === 49;
          if (isPlain) {
            intos[c]![row] = byte - ZERO;
            byte = data[++p]!;
          }
          break;
      }
      while (byte !== between && byte !== LF && byte !== CR) {
        byte = data[++p]!;
        isPlain = false;
      }
      begins[c] = begin;
      ends[c] = p;
      if (kinds[c] === TOKEN) {
        const id = lookups[c]!(data, begin, p);
        // Another may be no text at all.
        isPlain = id > 0;
        if (isPlain) intos[c]![row] = id;
      }
      if (!isPlain && kinds[c] !== SKIP && kinds[c] !== TEXT) unusual[numUnusual++] = c;
      if (c < width - 1) {
        if (byte !== between) return false;
        p++;
      } else if (byte === CR) {
        p += 2;
      } else if (byte === LF) {
        p++;
      } else {
        return false;
      }
    }
    for (let u = 0; u < numUnusual; u++) readerOf[unusual[u]!]!.read(textOf(unusual[u]!));
    for (const { read, columns } of textReaders) {
      let text = textOf(columns[0]!);
      for (let i = 1; i < columns.length; i++) text += CELL_SEPARATOR + textOf(columns[i]!);
      read(text);
    }
    at = p;
    return true;
  };

  const scanRow = (): boolean => {
    const begin = at;
    try {
      if (scanCells()) return settle(next.line);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
    }
    const lineEnd = bytes.indexOf(LF, begin);
    at = lineEnd + 1;
    return readRow(cellTexts(bytes.subarray(begin, bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd), dialect.delimiter), next.line);
  };

  return {
    start(plain) {
      ({ bytes, begin: at, end, next } = plain);
    },
    scan() {
      for (; at < end; next.line++) {
        if (block.rows === capacity) return false;
        if (bytes[at] === LF) at++;
        else if (bytes[at] === CR) at += 2;
        else if (scanRow()) block.rows++;
      }
      return true;
    },
  };
}
