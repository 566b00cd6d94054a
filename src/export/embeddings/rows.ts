import { tableTensor } from '../../engines/engine.js';
import { rowNames, type RowName } from '../../features/row-names.js';
import { getWeights, type ExportedModel } from '../model.js';

/** A table with row names. */
export interface NamedTable {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  /** Fields that use it. */
  readonly fields: readonly string[];
  nameRow(row: number): RowName;
  getVector(row: number): Float32Array;
}

/** Returns all tables of a model. */
export function namedTables(model: ExportedModel): readonly NamedTable[] {
  const { layout, fields } = model;
  return layout.tables.map(({ name, rows, width, idsOf = name }) => {
    const { data } = getWeights(model, tableTensor(name));
    return {
      name,
      rows,
      width,
      fields: layout.columns.flatMap((column) => ('table' in column && column.table === name ? [column.field] : [])),
      nameRow: rowNames(fields.find((field) => field.name === idsOf)!),
      getVector: (row) => data.subarray(row * width, (row + 1) * width),
    };
  });
}
