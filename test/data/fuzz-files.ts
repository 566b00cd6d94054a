import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Chance } from './fuzz-case.js';
import { LIST_TYPES, NESTED_COLUMN } from './fuzz-sequences.js';

// Writes the tables of the fuzz test in any format, and notes the line of each row.

/** A value as Python's csv gives it, or a JSON value that is no string, number or null. */
export type Cell = string | { readonly json: string };

/** A row of a file; one without cells cannot be parsed. */
export interface TableRow {
  readonly line: number;
  readonly cells: Readonly<Record<string, Cell>> | undefined;
}

/** A file, in the order of its source. */
export interface TableFile {
  readonly path: string;
  readonly rows: readonly TableRow[];
  /** Columns of its directories. */
  readonly constants: Readonly<Record<string, string>>;
}

/** How all files of a case are written. */
export interface Format {
  readonly kind: 'csv' | 'jsonl' | 'parquet';
  readonly delimiter: string;
  readonly quote: string;
  readonly comments: string | undefined;
  readonly hasHeader: boolean;
  readonly encoding: string | undefined;
  readonly decimal: string | undefined;
  /** Whether Parquet files have lists. */
  readonly hasLists: boolean;
  readonly end: string;
}

/** A data file as it is written, and as it should be read. */
export interface FuzzFile extends Omit<TableFile, 'path'> {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Stands for a byte that is not UTF-8. */
export const NOT_UTF8 = '\udfff';

interface Writing {
  readonly chance: Chance;
  readonly format: Format;
  readonly hasDirt: boolean;
}

type Cells = Readonly<Record<string, Cell>>;
type Written = Pick<FuzzFile, 'content' | 'rows'>;

/** Writes a table; its name gets a suffix. */
export function writeTable(
  name: string,
  rows: readonly Cells[],
  columns: readonly string[],
  constants: FuzzFile['constants'],
  writing: Writing,
): FuzzFile {
  const { chance, format } = writing;
  const { kind, hasHeader } = format;
  const order = kind === 'csv' && !hasHeader ? columns : shuffled(columns, chance);
  const own = rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]!])));
  const written =
    kind === 'csv'
      ? csvOf(own, order, writing)
      : kind === 'jsonl'
        ? jsonLinesOf(own, order, writing)
        : parquetOf(own, order, writing);
  const isPacked = kind !== 'parquet' && chance(0.25);
  const content = isPacked ? gzipSync(written.content) : written.content;
  return { name: `${name}.${kind}${isPacked ? '.gz' : ''}`, content, rows: written.rows, constants };
}

function shuffled<T>(list: readonly T[], chance: Chance): readonly T[] {
  const rest = [...list];
  return list.map(() => rest.splice(chance.below(rest.length), 1)[0]!);
}

/** Counts line ends: LF, CR, and CRLF once. */
const countLines = (text: string): number => text.match(/\r\n|\n|\r/g)?.length ?? 0;

function csvOf(rows: readonly Cells[], columns: readonly string[], { chance, format, hasDirt }: Writing): Written {
  const { delimiter, comments, hasHeader, encoding, end, quote } = format;
  const read: TableRow[] = [];
  let text = '';
  let line = 1;
  const add = (part: string): void => {
    text += part;
    line += countLines(part);
  };
  if (comments !== undefined && chance(0.5)) add(`${comments} made "today'${end}`);
  if (hasHeader) add(columns.join(delimiter) + end);
  for (const [r, row] of rows.entries()) {
    if (r > 0 && chance(0.05)) add(comments !== undefined && chance(0.5) ? `${comments}${delimiter}x${end}` : end);
    const cells = columns.map((name) => expressible(textOf(row[name]!), name, format));
    const written = cells.map((cell, c) => quoted(cell, c === 0, format, chance));
    const isBroken = hasDirt && r > 0 && chance(0.02);
    if (isBroken) {
      const longer = [...written, 'more'];
      const broken = chance.pick([
        written.slice(1),
        longer,
        quote === 'none' ? written.slice(2) : columns.map(() => `x${quote}y`),
      ]);
      const isComment = comments !== undefined && broken[0]!.startsWith(comments);
      add((isComment ? longer : broken).join(delimiter));
    } else add(written.join(delimiter));
    read.push({ line, cells: isBroken ? undefined : Object.fromEntries(columns.map((name, c) => [name, cells[c]!])) });
    if (r < rows.length - 1 || chance(0.8)) add(end);
  }
  return { content: encodedText(encoding === undefined && chance(0.2) ? `\ufeff${text}` : text, encoding), rows: read };
}

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.json);

function encodedText(text: string, encoding: string | undefined): Uint8Array {
  if (encoding === 'latin1') return Buffer.from(text, 'latin1');
  if (encoding === undefined) {
    const parts = text.split(new RegExp(NOT_UTF8, 'u')).map((part) => Buffer.from(part));
    return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.of(0xff), part])));
  }
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16be' ? bytes.swap16() : bytes;
}

const FALLBACKS: Readonly<Record<string, string>> = { look: '[0 1 2]', at: '2026-11-01T18:05', ds: '2026-11-02' };

/** Replaces a value that the dialect cannot express. */
function expressible(text: string, name: string, { quote, delimiter, comments }: Format): string {
  if (quote !== 'none') return text;
  const isSpecial = /[\r\n]/.test(text) || Array.from(delimiter).some((each) => text.includes(each));
  return isSpecial || (comments !== undefined && text.startsWith(comments)) ? (FALLBACKS[name] ?? '0') : text;
}

function quoted(text: string, isFirst: boolean, { quote, delimiter, comments }: Format, chance: Chance): string {
  if (quote === 'none') return text;
  const isSpecial = /[\r\n]/.test(text) || [...Array.from(delimiter), quote].some((each) => text.includes(each));
  const isComment = isFirst && comments !== undefined && text.startsWith(comments);
  return isSpecial || isComment || chance(0.03) ? quote + text.replaceAll(quote, quote + quote) + quote : text;
}

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function jsonLinesOf(
  rows: readonly Cells[],
  columns: readonly string[],
  { chance, format: { end }, hasDirt }: Writing,
): Written {
  const read: TableRow[] = [];
  let text = chance(0.1) ? '\ufeff' : '';
  let line = 1;
  for (const [r, row] of rows.entries()) {
    if (r > 0 && chance(0.05)) {
      text += end;
      line++;
    }
    const isBroken = hasDirt && r > 0 && chance(0.02);
    const written = objectOf(row, r === 0 ? columns : shuffled(columns, chance), r > 0, chance);
    const broken = isBroken
      ? chance.pick([
          written.slice(0, -1),
          `${written}}`,
          written.replace('{', '{"click":1,"click":1,"play":1,"play":1,'),
          '[1]',
          'x',
        ])
      : written;
    text += broken + (r < rows.length - 1 || chance(0.8) ? end : '');
    read.push({ line, cells: isBroken ? undefined : row });
    line++;
  }
  return { content: Buffer.from(text), rows: read };
}

function objectOf(row: Cells, columns: readonly string[], mayOmit: boolean, chance: Chance): string {
  const isNested = chance(0.5);
  const pairs = columns.flatMap((name): string[] => {
    const cell = row[name]!;
    if (cell === '' && mayOmit && chance(0.4)) return [];
    const value =
      cell === '' ? chance.pick(['null', '""']) : typeof cell !== 'string' ? cell.json : literalOf(cell, chance);
    return [
      name === 'user.id' && isNested
        ? `"user": {"id":${value}}`
        : `${JSON.stringify(name)}:${chance.pick(['', ' '])}${value}`,
    ];
  });
  // No column is read from these.
  const others = ['"other":[]', ...(chance(0.1) ? ['"other":{"a":1,"a":2}'] : [])];
  return `{${[...pairs, ...others].join(chance.pick([',', ', ']))}}`;
}

function literalOf(text: string, chance: Chance): string {
  if ((JSON_NUMBER.test(text) || text === 'true') && chance(0.7)) return text;
  const escaped = JSON.stringify(text);
  return chance(0.1)
    ? escaped.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : escaped;
}

const DIGITS = /^(0|[1-9]\d{0,8})?$/;
const DECIMAL = /^(-?\d{1,9}(\.\d{1,4})?)?$/;

/** The text of a double, as DuckDB's CSV export writes it. */
const doubleText = (value: number): string =>
  Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : value}.0` : String(value);

/** Types of the items of Parquet lists. */
const PARQUET_LISTS: Readonly<Record<string, StoredType>> = {
  ...LIST_TYPES,
  seen: 'BYTE_ARRAY',
  liked: 'INT32',
  look: 'DOUBLE',
};

const SCHEMA_TYPES = { INT32: {}, INT64: {}, DOUBLE: {}, BYTE_ARRAY: { converted_type: 'UTF8' } } as const;
type StoredType = keyof typeof SCHEMA_TYPES;

function parquetOf(rows: readonly Cells[], columns: readonly string[], { chance, format }: Writing): Written {
  const cells: Record<string, Cell>[] = rows.map((row) => ({ ...row }));
  const schema: SchemaElement[] = [{ name: 'root', num_children: columns.length }];
  const columnData = columns.map((name) => {
    const texts = rows.map((row) => textOf(row[name]!));
    const type = PARQUET_LISTS[name];
    if (format.hasLists && type !== undefined) {
      schema.push(
        { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', type, ...SCHEMA_TYPES[type], repetition_type: 'OPTIONAL' },
      );
      return { name, data: texts.map((text) => (text === '' ? null : listOf(text, type))) };
    }
    if (format.hasLists && name === NESTED_COLUMN) {
      schema.push(...nestedSchema(name));
      return { name, data: texts.map((text) => (text === '' ? null : (JSON.parse(text) as unknown[]))) };
    }
    const isDecimal = DECIMALS.includes(name) && texts.every((text) => DECIMAL.test(text));
    const isWhole = texts.every((text) => DIGITS.test(text)) && chance(0.6);
    const isDouble = !isWhole && isDecimal && chance(0.7);
    const stored: StoredType = isWhole ? chance.pick(['INT32', 'INT64']) : isDouble ? 'DOUBLE' : 'BYTE_ARRAY';
    schema.push({ name, type: stored, ...SCHEMA_TYPES[stored], repetition_type: 'OPTIONAL' });
    for (const [r, text] of texts.entries())
      cells[r]![name] = isDouble && text !== '' ? doubleText(Number(text)) : text;
    const data = texts.map((text) => {
      if (text === '') return stored === 'BYTE_ARRAY' && chance(0.5) ? '' : null;
      return stored === 'BYTE_ARRAY' ? text : stored === 'INT64' ? BigInt(text) : Number(text);
    });
    return { name, data };
  });
  const rowGroupSize = rows.length > 100 ? 2500 : chance.pick([5, 1000]);
  const buffer = parquetWriteBuffer({ schema, columnData, rowGroupSize });
  return { content: new Uint8Array(buffer), rows: cells.map((row, r) => ({ line: r + 1, cells: row })) };
}

/** Schema of a list of lists of texts. */
function nestedSchema(name: string): readonly SchemaElement[] {
  return [
    { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  ];
}

const DECIMALS = ['spend', 'play', 'price', 'age', 'click'];

function listOf(text: string, type: StoredType): unknown[] {
  const items = JSON.parse(text) as (string | number | null)[];
  const stored = (item: string | number): unknown =>
    type === 'BYTE_ARRAY' ? item : type === 'INT64' ? BigInt(item) : Number(item);
  return items.map((item) => item && stored(item));
}
