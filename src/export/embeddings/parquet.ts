import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { NamedTable } from './rows.js';

/** Elements per row group, which is buffered in memory. */
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

/** Yields a table as the bytes of a Parquet file: one row per table row, with the embedding as a list. */
export function* parquetPieces({ rows, width, nameRow, getVector }: NamedTable): Generator<Uint8Array> {
  const bytes = new ByteWriter();
  const file = new ParquetWriter({ writer: bytes, schema: SCHEMA, createdBy: 'mtl' });
  const take = (): Uint8Array => {
    const written = bytes.getBytes().slice();
    // Written bytes count for later offsets.
    bytes.index = 0;
    return written;
  };
  const groupRows = Math.max(1, Math.floor(GROUP_NUMBERS / width));
  for (let begin = 0; begin < rows; begin += groupRows) {
    const rowIndices = Array.from({ length: Math.min(groupRows, rows - begin) }, (_, i) => begin + i);
    const names = rowIndices.map(nameRow);
    const columnData = [
      { name: 'row', data: rowIndices },
      { name: 'name', data: names.map(({ name }) => name) },
      { name: 'means', data: names.map(({ means }) => means) },
      { name: 'embedding', data: rowIndices.map((row) => Array.from(getVector(row))) },
    ];
    // Synchronous: the writer is in memory.
    void file.write({ columnData, rowGroupSize: rowIndices.length });
    yield take();
  }
  void file.finish();
  yield take();
}
