import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import type { RowWriter, ScoredColumns, ScoredRows, WriteBytes } from './scored-rows.js';

/** Maximum rows of a row group, and maximum strings in it; a row group is buffered in memory. */
const [GROUP_ROWS, GROUP_CELLS] = [1 << 17, 1 << 20];

/** Writes Parquet row groups: values as strings, predictions as float32, null for missing predictions. */
export function parquetWriter(
  { inputs: inputNames, predictions: names }: ScoredColumns,
  writeBytes: WriteBytes,
): RowWriter {
  const bytes = new ByteWriter();
  const schema: SchemaElement[] = [
    { name: 'root', num_children: inputNames.length + names.length },
    ...inputNames.map((name): SchemaElement => ({
      name,
      type: 'BYTE_ARRAY',
      converted_type: 'UTF8',
      repetition_type: 'REQUIRED',
    })),
    ...names.map((name): SchemaElement => ({ name, type: 'FLOAT', repetition_type: 'OPTIONAL' })),
  ];
  const file = new ParquetWriter({ writer: bytes, schema, createdBy: 'mtl' });
  const groupRows = Math.min(GROUP_ROWS, Math.ceil(GROUP_CELLS / Math.max(1, inputNames.length)));
  const inputColumns = inputNames.map((): string[] => []);
  const predictions = names.map((): (number | null)[] => []);
  let count = 0;

  const takeBytes = async (): Promise<void> => {
    const written = bytes.getBytes().slice();
    // Written bytes count for later offsets.
    bytes.index = 0;
    await writeBytes(written);
  };
  const endGroup = async (): Promise<void> => {
    if (count === 0) return;
    const columnData = [
      ...inputNames.map((name, c) => ({ name, data: inputColumns[c]! })),
      ...names.map((name, c) => ({ name, data: predictions[c]! })),
    ];
    await file.write({ columnData, rowGroupSize: count });
    for (const column of [...inputColumns, ...predictions]) column.length = 0;
    count = 0;
    await takeBytes();
  };
  return {
    async write(rows: ScoredRows) {
      for (let row = 0; row < rows.rows; row++) {
        for (let c = 0; c < inputColumns.length; c++) inputColumns[c]!.push(rows.inputs[c]![row]!);
        for (let c = 0; c < predictions.length; c++) {
          const value = rows.predictions[c]![row]!;
          predictions[c]!.push(Number.isNaN(value) ? null : value);
        }
        if (++count === groupRows) await endGroup();
      }
    },
    async end() {
      await endGroup();
      await file.finish();
      await takeBytes();
    },
  };
}
