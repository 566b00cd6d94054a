import type { Batch } from '../../core/batch.js';
import { type EncodedField, hasTable } from '../../features/feature.js';
import type { GivenRows } from './object-rows.js';

/** Values of a column that a model takes in place of what it was given. */
export interface CellCounts {
  /** Null, empty or absent values. */
  readonly nulls: number;
  /** Values with the out-of-vocabulary id, in bags the items; 0 for columns without a vocabulary. */
  readonly oov: number;
}

/** Counts by column, only of columns with any. */
export type CountsByColumn = Readonly<Record<string, CellCounts>>;

/** Asks for counts. */
export interface CountsOption {
  /** Called once, when all rows are encoded. */
  onCounts?(counts: CountsByColumn): void;
}

/** Looks at the cells of rows while they are encoded. */
export interface CellObserver {
  /** Gives access to a column's cells; those of its first field are observed. */
  cellsOf(column: string): (row: number) => unknown;
  /** Counts a cell that its field rejects. */
  reject(columns: readonly string[]): void;
  /** Counts ids in a batch that was encoded from the cells, and begins the next one. */
  endBatch(batch: Batch): void;
  readonly counts: CountsByColumn;
}

/**
 * Creates an observer of rows that are encoded in batches.
 * @param fields of the model
 * @param onAbsent called for each cell that is an error because its row does not have the column
 */
export function observeCells(
  fields: readonly EncodedField[],
  given: GivenRows,
  onAbsent: (row: number, column: string) => void,
): CellObserver {
  const counts: Record<string, { nulls: number; oov: number }> = Object.create(null) as object as Record<
    string,
    { nulls: number; oov: number }
  >;
  const countsOf = (column: string): { nulls: number; oov: number } => (counts[column] ??= { nulls: 0, oov: 0 });
  const oovFields = firstOfColumns(fields.filter(hasVocabulary));
  const seen = new Set<string>();
  /** Nulls and rejected cells of the batch, by column. */
  const nulls = new Map<string, number>();
  const rejected = new Map<string, number>();
  const increment = (map: Map<string, number>, column: string): void =>
    void map.set(column, (map.get(column) ?? 0) + 1);
  return {
    cellsOf(column) {
      const cellOf = given.cellsOf(column);
      if (seen.has(column)) return cellOf;
      seen.add(column);
      return (row) => {
        const value = cellOf(row);
        if (value === undefined || value === null || value === '') {
          increment(nulls, column);
          if (value === undefined && given.isAbsent?.(row, column) === true) onAbsent(row, column);
        }
        return value;
      };
    },
    reject([column, ...others]) {
      if (others.length === 0) increment(rejected, column!);
    },
    endBatch(batch) {
      for (const field of oovFields) {
        const column = field.columns[0]!;
        const empty = field.rule?.empty === 0 ? (nulls.get(column) ?? 0) : 0;
        const oov = batch.bags.has(field.name)
          ? zerosOfBag(batch, field.name)
          : zeros(batch.ids.get(field.name)!, batch.rows) - empty - (rejected.get(column) ?? 0);
        if (oov > 0) countsOf(column).oov += oov;
      }
      for (const [column, count] of nulls) countsOf(column).nulls += count;
      for (const each of [seen, nulls, rejected]) each.clear();
    },
    counts,
  };
}

/** Whether id 0 of a field is its out-of-vocabulary id, and its column is its own. */
function hasVocabulary(field: EncodedField): boolean {
  const { columns, rule } = field;
  return columns.length === 1 && hasTable(field) && (rule?.kind === 'text' || rule?.kind === 'id');
}

function firstOfColumns(fields: readonly EncodedField[]): readonly EncodedField[] {
  return fields.filter(({ columns }, f) => fields.findIndex((other) => other.columns[0] === columns[0]) === f);
}

function zerosOfBag({ bags, rows }: Batch, name: string): number {
  const { ids, offsets } = bags.get(name)!;
  return zeros(ids, offsets[rows]!);
}

function zeros(ids: Uint32Array, end: number): number {
  let count = 0;
  for (let i = 0; i < end; i++) if (ids[i] === 0) count++;
  return count;
}
