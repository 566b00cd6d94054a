import type { ChunkRows } from '../../chunks/chunk.js';
import { listItems, type Column, type Lists } from '../../chunks/column.js';
import { column as columnOf } from '../../core/batch.js';
import { createCleaner } from '../cells.js';
import type { FieldOf, Kind } from './kind.js';

/** A list of numbers per row, all of the same length. */
export const vector: Kind<'vector'> = {
  name: 'vector',
  takesStored: () => false,
  rawForm: () => 'vector',
  lists: (field) => ({ key: field.kind, read: (rows) => vectorLists(rows, field) }),
  takesLists: true,
  isCompared: true,
  holdsNumbers: false,
  column: ({ name, width }) => ({ name, kind: 'vector', width }),
  inputSource: () => ({ kind: 'vector' }),

  reader: (field) => (rows, block) => {
    const { encode } = field.vector!;
    const { width, data } = columnOf(block, field.name, 'f32');
    eachVector(rows, field, (values, row) => encode(values, data, (block.rows + row) * width));
  },

  fitter(field, { vector }) {
    const fit = vector!;
    const values: Float32Array[] = [];
    return {
      check: (rows) =>
        eachVector(rows, field, (found, row) => {
          fit.check(found);
          values[row] = Float32Array.from(found);
        }),
      checkTogether(rows) {
        rows.eachKept(field.columns, (row) => fit.checkLength(values[row]!));
      },
      observe(rows) {
        for (let row = 0; row < rows.count; row++) if (rows.isKept(row)) fit.observe(values[row]!);
      },
    };
  },
};

/** Calls `take` for the elements of each kept row, none for a missing value; rows for which it throws are refused. */
function eachVector(
  rows: ChunkRows,
  field: FieldOf<'vector'>,
  take: (values: ArrayLike<number>, row: number) => void,
): void {
  const vectorAt = vectorReader(field, rows.column(field.columns[0]!));
  rows.eachKept(field.columns, (row) => take(vectorAt(row), row));
}

/** Returns a function from a row to its elements, which are valid until the next call. */
function vectorReader(field: FieldOf<'vector'>, column: Column): (row: number) => ArrayLike<number> {
  const { lists } = column;
  const clean = createCleaner(field.cells ?? {});
  const read = (row: number): ArrayLike<number> => {
    const text = column.text(row);
    return field.split(clean === undefined ? text : clean(text));
  };
  if (lists !== undefined && column.numbersAt === undefined) return (row) => field.ofItems(listItems(lists, row));
  if (column.numbersAt === undefined) return read;
  return (row) => {
    const values = column.numbersAt!(row);
    if (values !== undefined) return values;
    const items = column.listAt?.(row);
    return items === undefined ? read(row) : field.ofItems(items);
  };
}

/** Returns the elements of the kept rows as weights of lists. */
function vectorLists(rows: ChunkRows, field: FieldOf<'vector'>): Lists {
  const offsets = new Uint32Array(rows.count + 1);
  const weights: number[] = [];
  const ends = new Map<number, number>();
  eachVector(rows, field, (values, row) => {
    for (let i = 0; i < values.length; i++) weights.push(values[i]!);
    ends.set(row, weights.length);
  });
  for (let row = 0; row < rows.count; row++) offsets[row + 1] = ends.get(row) ?? offsets[row]!;
  return { offsets, items: { type: 'none', text: () => '' }, weights };
}
