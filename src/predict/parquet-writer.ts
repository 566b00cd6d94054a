import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import { ParquetColumn } from './parquet-column.js';
import type { RowWriter, ScoredColumns, ScoredRows, WriteBytes } from './scored-rows.js';

/** Maximum rows of a row group, and maximum kept values in it; a row group is buffered in memory. */
const [GROUP_ROWS, GROUP_CELLS] = [1 << 17, 1 << 20];

/** Writes Parquet row groups: kept values in the types of the data, predictions as float32, null for missing ones. */
export function parquetWriter(
  { inputs: inputNames, predictions: names }: ScoredColumns,
  writeBytes: WriteBytes,
): RowWriter {
  const bytes = new ByteWriter();
  const groupRows = Math.min(GROUP_ROWS, Math.ceil(GROUP_CELLS / Math.max(1, inputNames.length)));
  let inputs: readonly ParquetColumn[] = [];
  let file: ParquetWriter | undefined;
  const predictions = names.map((): (number | null)[] => []);
  let count = 0;

  const takeBytes = async (): Promise<void> => {
    const written = bytes.getBytes().slice();
    // Written bytes count for later offsets.
    bytes.index = 0;
    await writeBytes(written);
  };
  /** Opens the file once the values of the first row group have decided their types. */
  const openFile = (): ParquetWriter => {
    const schema: SchemaElement[] = [
      { name: 'root', num_children: inputNames.length + names.length },
      ...inputs.flatMap((column) => column.schema),
      ...names.map((name): SchemaElement => ({ name, type: 'FLOAT', repetition_type: 'OPTIONAL' })),
    ];
    return (file ??= new ParquetWriter({ writer: bytes, schema, createdBy: 'mtl' }));
  };
  const endGroup = async (): Promise<void> => {
    if (count === 0) return;
    const columnData = [
      ...inputNames.map((name, c) => ({ name, data: inputs[c]!.takeGroup() })),
      ...names.map((name, c) => ({ name, data: predictions[c]! })),
    ];
    await openFile().write({ columnData, rowGroupSize: count });
    for (const column of predictions) column.length = 0;
    count = 0;
    await takeBytes();
  };
  return {
    takeTypes(types) {
      inputs = inputNames.map((name, c) => new ParquetColumn(name, types[c]));
    },
    async write(rows: ScoredRows) {
      for (let row = 0; row < rows.rows; row++) {
        for (const [c, column] of inputs.entries()) column.push(rows.typed[c]![row]!, rows.inputs[c]![row]!);
        for (let c = 0; c < predictions.length; c++) {
          const value = rows.predictions[c]![row]!;
          predictions[c]!.push(Number.isNaN(value) ? null : value);
        }
        if (++count === groupRows) await endGroup();
      }
    },
    async end() {
      await endGroup();
      await openFile().finish();
      await takeBytes();
    },
  };
}
