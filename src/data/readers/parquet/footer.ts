import { fstatSync } from 'node:fs';
import { parquetMetadata, type FileMetaData, type RowGroup, type SchemaElement } from 'hyparquet';
import { quoted, userError } from '../../../core/errors.js';
import { readAt, withFile } from '../../../io/read-sync.js';
import { ThriftReader } from './thrift.js';

/** The length of the footer and the mark after it. */
const ENDING_BYTES = 8;
/** Marks of a file whose footer can be read, and of one whose footer is encrypted. */
const [PLAIN_MARK, ENCRYPTED_MARK] = ['PAR1', 'PARE'];
/** Maximum depth of a schema; columns that are read are three deep. */
const MAX_DEPTH = 100;

/**
 * Reads the footer of a Parquet file: its schema, and the offsets of its columns.
 * @throws UserError (data) for a file that is encrypted; Error for a footer that is damaged
 */
export function readFooter(path: string): FileMetaData {
  const metadata = withFile(path, (file) => {
    const { size } = fstatSync(file);
    if (size < ENDING_BYTES + PLAIN_MARK.length) throw new Error(`its ${size} bytes are too few for a footer`);
    const ending = readEnd(file, ENDING_BYTES);
    const mark = ending.toString('latin1', 4);
    if (mark === ENCRYPTED_MARK)
      throw userError('data', {
        where: path,
        message: 'is encrypted Parquet',
        fix: 'decrypt it with the tool that has its keys, and write it unencrypted',
      });
    if (mark !== PLAIN_MARK) throw new Error(`it does not end with ${PLAIN_MARK}, so the file is truncated`);
    const length = ending.readUInt32LE(0) + ENDING_BYTES;
    if (length > size - PLAIN_MARK.length) throw new Error('its footer exceeds the file size');
    return parse(readEnd(file, length));
  });
  checkSchema(metadata.schema);
  for (const [g, group] of metadata.row_groups.entries()) checkGroup(group, g + 1);
  return metadata;
}

/** Reads the last bytes of a file, fewer if it is shorter. */
export function readEnd(file: number, count: number): Buffer {
  const { size } = fstatSync(file);
  const bytes = Buffer.allocUnsafeSlow(Math.min(count, size));
  return bytes.subarray(0, readAt(file, bytes, size - bytes.length));
}

/** Replaces the errors of the parser, which do not help users. It allocates the memory that lengths declare. */
function parse(bytes: Buffer): FileMetaData {
  new ThriftReader(bytes).struct();
  try {
    return parquetMetadata(bytes, { geoparquet: false });
  } catch (error) {
    throw new Error('its footer is damaged', { cause: error });
  }
}

/** Checks that the elements of a schema are a tree, each with a name, and that a leaf has a type. */
function checkSchema(schema: readonly SchemaElement[]): void {
  let at = 0;
  const check = (depth: number): void => {
    // The parser does not check types.
    const { name, type, num_children: children = 0 }: Record<string, unknown> = { ...schema[at] };
    const place = `schema element ${++at} in its footer`;
    if (at > schema.length) throw new Error(`${place} is missing`);
    if (typeof name !== 'string') throw new Error(`${place} has no name`);
    if (typeof children !== 'number' || !(children >= 0 && children < schema.length))
      throw new Error(`${place} has ${quoted(children)} children`);
    if (children === 0 && type === undefined && depth > 0)
      throw new Error(`${place}, ${quoted(name)}, has neither a type nor children`);
    if (depth > MAX_DEPTH) throw new Error('the schema in its footer is nested too deeply');
    for (let i = 0; i < children; i++) check(depth + 1);
  };
  check(0);
  if (at !== schema.length)
    throw new Error(`the schema in its footer has ${schema.length} elements, but its tree has ${at}`);
}

/**
 * Checks that the columns of a row group have offsets. The file has the rows of its groups, since not all writers count
 * them.
 */
function checkGroup({ num_rows: rows, columns }: RowGroup, number: number): void {
  const isCount = (value: unknown): boolean => typeof value === 'bigint' && value >= 0n;
  if (!isCount(rows)) throw new Error(`row group ${number} has no row count in the footer`);
  for (const [c, { meta_data: data }] of columns.entries()) {
    if (data === undefined) continue;
    const { num_values: values, total_compressed_size: size, data_page_offset: offset } = data;
    if (![values, size, offset, data.dictionary_page_offset ?? 0n].every(isCount))
      throw new Error(`column ${c + 1} of row group ${number} has no file offset`);
    if (!data.path_in_schema.every((name: unknown) => typeof name === 'string'))
      throw new Error(`column ${c + 1} of row group ${number} has no name in the footer`);
  }
}
