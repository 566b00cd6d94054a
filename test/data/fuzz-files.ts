import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Chance, Row, TableRow } from './fuzz-case.js';
import { createRow, NOT_UTF8, requiredColumns, type RowContext } from './fuzz-rows.js';

// Writes the tables of the fuzz test in any format, and notes the line of each row.

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
export interface FuzzFile {
  readonly name: string;
  readonly content: Uint8Array;
  readonly rows: readonly Omit<TableRow, 'place'>[];
  readonly constants: Row;
}
type Written = Pick<FuzzFile, 'content' | 'rows'>;

/** Creates a table; its name gets a suffix. */
export function createTable(
  name: string,
  count: number,
  columns: readonly string[],
  constants: Row,
  context: RowContext,
): FuzzFile {
  const { chance, format } = context;
  const { kind, hasHeader } = format;
  const order = kind === 'csv' && !hasHeader ? columns : shuffled(columns, chance);
  const required = requiredColumns(context);
  const rows = Array.from({ length: count }, (_, i) => {
    const row = createRow(context, required, i === 0);
    return Object.fromEntries(columns.map((column) => [column, row[column]!]));
  });
  const { content, rows: read } = { csv: writeCsv, jsonl: writeJsonLines, parquet: writeParquet }[kind](
    rows,
    order,
    context,
  );
  const isPacked = kind !== 'parquet' && chance(0.25);
  const packed = isPacked ? gzipSync(content) : content;
  return { name: `${name}.${kind}${isPacked ? '.gz' : ''}`, content: packed, rows: read, constants };
}

function shuffled<T>(list: readonly T[], chance: Chance): readonly T[] {
  const rest = [...list];
  return list.map(() => rest.splice(chance.below(rest.length), 1)[0]!);
}

/** Counts line ends: LF, CR, and CRLF once. */
const countLines = (text: string): number => text.match(/\r\n|\n|\r/g)?.length ?? 0;

function writeCsv(rows: readonly Row[], columns: readonly string[], { chance, format, hasDirt }: RowContext): Written {
  const { delimiter, comments, hasHeader, encoding, end, quote } = format;
  const read: Written['rows'][number][] = [];
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
    const written = columns.map((name, c) => quoted(row[name]!.raw ?? row[name]!.text, c === 0, format, chance));
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
    read.push({ line, cells: isBroken ? undefined : row });
    if (r < rows.length - 1 || chance(0.8)) add(end);
  }
  return { content: encodedText(encoding === undefined && chance(0.2) ? `\ufeff${text}` : text, encoding), rows: read };
}

function encodedText(text: string, encoding: string | undefined): Uint8Array {
  if (encoding === 'latin1') return Buffer.from(text, 'latin1');
  if (encoding === undefined) {
    const parts = text.split(new RegExp(NOT_UTF8, 'u')).map((part) => Buffer.from(part));
    return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.of(0xff), part])));
  }
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16be' ? bytes.swap16() : bytes;
}

function quoted(text: string, isFirst: boolean, { quote, delimiter, comments }: Format, chance: Chance): string {
  if (quote === 'none') return text;
  const isSpecial = /[\r\n]/.test(text) || [...Array.from(delimiter), quote].some((each) => text.includes(each));
  const isComment = isFirst && comments !== undefined && text.startsWith(comments);
  return isSpecial || isComment || chance(0.03) ? quote + text.replaceAll(quote, quote + quote) + quote : text;
}

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function writeJsonLines(
  rows: readonly Row[],
  columns: readonly string[],
  { chance, format: { end }, hasDirt }: RowContext,
): Written {
  const read: Written['rows'][number][] = [];
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

function objectOf(row: Row, columns: readonly string[], mayOmit: boolean, chance: Chance): string {
  const isNested = chance(0.5);
  const pairs = columns.flatMap((name): string[] => {
    const { text, raw } = row[name]!;
    if (text === '' && mayOmit && chance(0.4)) return [];
    const value = raw ?? (text === '' ? chance.pick(['null', '""']) : literalOf(text, chance));
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
const DOUBLES = ['spend', 'play', 'price', 'age', 'click'];

/** The text of a double, as DuckDB's CSV export writes it. */
const doubleText = (value: number): string =>
  Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : value}.0` : String(value);

const SCHEMA_TYPES = { INT32: {}, INT64: {}, DOUBLE: {}, BYTE_ARRAY: { converted_type: 'UTF8' } } as const;
type StoredType = keyof typeof SCHEMA_TYPES;

/** Types of the items of Parquet lists; those of `tags` are lists again. */
const PARQUET_LISTS: Readonly<Record<string, StoredType>> = {
  seen: 'BYTE_ARRAY',
  liked: 'INT32',
  look: 'DOUBLE',
  visited: 'INT32',
  town: 'BYTE_ARRAY',
  paid: 'DOUBLE',
  left: 'INT64',
  tags: 'BYTE_ARRAY',
};

function writeParquet(rows: readonly Row[], columns: readonly string[], { chance, format }: RowContext): Written {
  const cells: Record<string, Row[string]>[] = rows.map((row) => ({ ...row }));
  const schema: SchemaElement[] = [{ name: 'root', num_children: columns.length }];
  const columnData = columns.map((name) => {
    const texts = rows.map((row) => row[name]!.text);
    const type = PARQUET_LISTS[name];
    if (format.hasLists && type !== undefined) {
      schema.push(...listSchema(name, type, name === 'tags' ? 2 : 1));
      const store = (item: unknown): unknown => (item !== null && type === 'INT64' ? BigInt(item as number) : item);
      return { name, data: texts.map((text) => (text === '' ? null : (JSON.parse(text) as unknown[]).map(store))) };
    }
    const isWhole = texts.every((text) => DIGITS.test(text)) && chance(0.6);
    const isDouble = !isWhole && DOUBLES.includes(name) && texts.every((text) => DECIMAL.test(text)) && chance(0.7);
    const stored: StoredType = isWhole ? chance.pick(['INT32', 'INT64']) : isDouble ? 'DOUBLE' : 'BYTE_ARRAY';
    schema.push({ name, type: stored, ...SCHEMA_TYPES[stored], repetition_type: 'OPTIONAL' });
    for (const [r, text] of texts.entries())
      if (isDouble && text !== '') cells[r]![name] = { text: doubleText(Number(text)) };
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

/** Schema of a list of values, or of lists of values. */
function listSchema(name: string, type: StoredType, depth: number): readonly SchemaElement[] {
  const elements = Array.from({ length: depth }, (_, d): SchemaElement[] => [
    { name: d === 0 ? name : 'element', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ]);
  return [...elements.flat(), { name: 'element', type, ...SCHEMA_TYPES[type], repetition_type: 'OPTIONAL' }];
}
