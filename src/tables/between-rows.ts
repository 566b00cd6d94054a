import { column, type BagColumn, type Batch } from '../core/batch.js';
import type { InputLayout } from './layout.js';

/**
 * A function that gives batches bags in the place of numbers that lie between two rows of a table: 3.25 is row 3 with
 * weight 0.75 and
 * row 4 with 0.25, and a whole number is that row alone. What it gives is valid until it is called for other rows.
 */
export function bagsBetweenRows({ columns }: InputLayout): (batch: Batch) => Batch {
  const fields = new Set(
    columns.flatMap((each) => (each.kind === 'bag' && each.isBetweenRows === true ? [each.field] : [])),
  );
  if (fields.size === 0) return (batch) => batch;
  const memory = new Map<string, BagColumn>();
  const roomFor = (field: string, rows: number): BagColumn => {
    const known = memory.get(field);
    if (known !== undefined && known.offsets.length > rows) return known;
    const made = {
      offsets: new Uint32Array(rows + 1),
      ids: new Uint32Array(2 * rows),
      weights: new Float32Array(2 * rows),
    };
    memory.set(field, made);
    return made;
  };
  return (batch) => {
    const bags = new Map(batch.bags);
    for (const field of fields) {
      const bag = roomFor(field, batch.rows);
      fill(bag, column(batch.numbers, field), batch.rows);
      bags.set(field, bag);
    }
    return { ...batch, bags };
  };
}

function fill({ offsets, ids, weights }: BagColumn, places: Float32Array, rows: number): void {
  let items = 0;
  const add = (row: number, weight: number): void => {
    ids[items] = row;
    weights[items++] = weight;
  };
  for (let b = 0; b < rows; b++) {
    const place = places[b]!;
    const row = Math.floor(place);
    add(row, 1 - (place - row));
    if (place > row) add(row + 1, place - row);
    offsets[b + 1] = items;
  }
}
