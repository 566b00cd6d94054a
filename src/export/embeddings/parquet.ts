import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { NamedTable } from './rows.js';

/** Numbers of a row group: they lie in memory until it is written. */
const GROUP_NUMBERS = 1 << 20;

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 4 },
  { name: 'row', type: 'INT32', repetition_type: 'REQUIRED' },
  { name: 'name', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: 'means', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: 'embedding', num_children: 1, converted_type: 'LIST', repetition_type: 'REQUIRED' },
  { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
  { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
];

/** A table as the bytes of a Parquet file: a row each, in the order of the table, its embedding as a list. */
export function* parquetPieces({ rows, width, nameOf, vectorOf }: NamedTable): Generator<Uint8Array> {
  const bytes = new ByteWriter();
  const file = new ParquetWriter({ writer: bytes, schema: SCHEMA, createdBy: 'mtl' });
  const take = (): Uint8Array => {
    const written = bytes.getBytes().slice();
    // What has gone out counts for the places of what comes.
    bytes.index = 0;
    return written;
  };
  const groupRows = Math.max(1, Math.floor(GROUP_NUMBERS / width));
  for (let begin = 0; begin < rows; begin += groupRows) {
    const places = Array.from({ length: Math.min(groupRows, rows - begin) }, (_, i) => begin + i);
    const names = places.map(nameOf);
    const columnData = [
      { name: 'row', data: places },
      { name: 'name', data: names.map(({ name }) => name) },
      { name: 'means', data: names.map(({ means }) => means) },
      { name: 'embedding', data: places.map((row) => Array.from(vectorOf(row))) },
    ];
    // Nothing to wait for: the writer is memory.
    void file.write({ columnData, rowGroupSize: places.length });
    yield take();
  }
  void file.finish();
  yield take();
}
