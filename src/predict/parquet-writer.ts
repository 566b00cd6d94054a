import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import type { RowWriter, ScoredColumns, ScoredRows, WriteBytes } from './scored-rows.js';

/** Maximum rows of a row group, and maximum strings in it; a row group is buffered in memory. */
const [GROUP_ROWS, GROUP_CELLS] = [1 << 17, 1 << 20];

/** Writes Parquet row groups: values as strings, predictions as float32, null for missing predictions. */
export function parquetWriter(
  { kept: keptNames, predictions: names }: ScoredColumns,
  writeBytes: WriteBytes,
): RowWriter {
  const bytes = new ByteWriter();
  const schema: SchemaElement[] = [
    { name: 'root', num_children: keptNames.length + names.length },
    ...keptNames.map((name): SchemaElement => ({
      name,
      type: 'BYTE_ARRAY',
      converted_type: 'UTF8',
      repetition_type: 'REQUIRED',
    })),
    ...names.map((name): SchemaElement => ({ name, type: 'FLOAT', repetition_type: 'OPTIONAL' })),
  ];
  const file = new ParquetWriter({ writer: bytes, schema, createdBy: 'mtl' });
  const groupRows = Math.min(GROUP_ROWS, Math.ceil(GROUP_CELLS / Math.max(1, keptNames.length)));
  const keptColumns = keptNames.map((): string[] => []);
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
      ...keptNames.map((name, c) => ({ name, data: keptColumns[c]! })),
      ...names.map((name, c) => ({ name, data: predictions[c]! })),
    ];
    await file.write({ columnData, rowGroupSize: count });
    for (const column of [...keptColumns, ...predictions]) column.length = 0;
    count = 0;
    await takeBytes();
  };
  return {
    async write(rows: ScoredRows) {
      for (let row = 0; row < rows.rows; row++) {
        for (let c = 0; c < keptColumns.length; c++) keptColumns[c]!.push(rows.kept[c]![row]!);
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
