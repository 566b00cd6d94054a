import { column, withColumns, type BagColumn, type Batch } from '../core/batch.js';
import type { InputLayout } from './layout.js';

/**
 * Creates a function that replaces numbers between two rows of a table by bags: 3.25 is row 3 with weight 0.75 and row
 * 4 with weight 0.25; an integer is a single row. Its result is valid until the next call.
 */
export function interpolateRows({ columns }: InputLayout): (batch: Batch) => Batch {
  const fields = new Set(
    columns.flatMap((each) => (each.kind === 'bag' && each.isBetweenRows === true ? [each.field] : [])),
  );
  if (fields.size === 0) return (batch) => batch;
  const memory = new Map<string, BagColumn>();
  const reserve = (field: string, rows: number): BagColumn => {
    const known = memory.get(field);
    if (known !== undefined && known.offsets.length > rows) return known;
    const bag: BagColumn = {
      type: 'list',
      offsets: new Uint32Array(rows + 1),
      ids: new Uint32Array(2 * rows),
      weights: new Float32Array(2 * rows),
    };
    memory.set(field, bag);
    return bag;
  };
  return (batch) => {
    const bags = [...fields].map((field) => {
      const bag = reserve(field, batch.rows);
      fill(bag, column(batch, field, 'f32').data, batch.rows);
      return [field, bag] as const;
    });
    return withColumns(batch, bags);
  };
}

function fill({ offsets, ids, weights }: BagColumn, positions: Float32Array, rows: number): void {
  let items = 0;
  const add = (row: number, weight: number): void => {
    ids[items] = row;
    weights[items++] = weight;
  };
  for (let b = 0; b < rows; b++) {
    const position = positions[b]!;
    const row = Math.floor(position);
    add(row, 1 - (position - row));
    if (position > row) add(row + 1, position - row);
    offsets[b + 1] = items;
  }
}
