import { tableTensor } from '../../engines/engine.js';
import { hasTable } from '../../features/feature.js';
import { rowNames, type RowName } from '../../features/row-names.js';
import { weightsOf, type ExportedModel } from '../model.js';

/** A table with the names of its rows. */
export interface NamedTable {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  /** The fields that look into it. */
  readonly fields: readonly string[];
  nameOf(row: number): RowName;
  vectorOf(row: number): Float32Array;
}

/** All tables of a model. */
export function namedTables(model: ExportedModel): readonly NamedTable[] {
  const { layout, fields } = model;
  return layout.tables.map(({ name, rows, width }) => {
    const { data } = weightsOf(model, tableTensor(name));
    return {
      name,
      rows,
      width,
      fields: fields.filter((field) => field.owner === name && hasTable(field)).map((field) => field.name),
      nameOf: rowNames(fields.find((field) => field.name === name)!),
      vectorOf: (row) => data.subarray(row * width, (row + 1) * width),
    };
  });
}
