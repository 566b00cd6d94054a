import { readIds, type Batch } from '../core/batch.js';
import { interpolateRows } from './interpolate-rows.js';
import type { InputLayout } from './layout.js';
import { findChanges, type TableChanges } from './row-changes.js';
import { listTableFields } from './table-fields.js';

/** Rows of tables that steps may have changed since a moment. */
export interface RowJournal {
  /** Adds the rows that a batch looks up. */
  mark(batch: Batch): void;
  /** Adds the rows that represent another id, or none. */
  markChanges(changes: TableChanges): void;
  /** Returns the rows by table, in ascending order; none of a frozen table. */
  rows(): ReadonlyMap<string, Uint32Array>;
  clear(): void;
}

/** Creates a journal without rows, which takes a bit per row of a trained table. */
export function createRowJournal(layout: InputLayout): RowJournal {
  const withBags = interpolateRows(layout);
  const bits = new Map(
    layout.tables.map(({ name, rows, isFrozen }) => [
      name,
      new Uint32Array(isFrozen === true ? 0 : Math.ceil(rows / 32)),
    ]),
  );
  const fields = listTableFields(layout).filter(({ table }) => bits.get(table)!.length > 0);
  return {
    mark(batch) {
      const marked = withBags(batch);
      for (const { field, table } of fields) {
        const { ids, count } = readIds(marked, field);
        markRows(bits.get(table)!, ids, 0, count);
      }
    },
    markChanges(changes) {
      for (const table of layout.tables) {
        const { cleared, admitted } = findChanges(table, changes) ?? { cleared: NO_ROWS, admitted: NO_ROWS };
        for (const rows of [cleared, admitted]) markRows(bits.get(table.name)!, rows, 0, rows.length);
      }
    },
    rows: () => new Map(Array.from(bits, ([name, words]) => [name, listRows(words)])),
    clear() {
      for (const words of bits.values()) words.fill(0);
    },
  };
}

const NO_ROWS = new Uint32Array(0);

function markRows(bits: Uint32Array, ids: Uint32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) bits[ids[i]! >>> 5]! |= 1 << (ids[i]! & 31);
}

function listRows(bits: Uint32Array): Uint32Array {
  let count = 0;
  for (const word of bits) for (let left = word; left !== 0; left &= left - 1) count++;
  const rows = new Uint32Array(count);
  let r = 0;
  // The lowest bit of a word is 31 minus its leading zeros.
  for (const [w, word] of bits.entries())
    for (let left = word; left !== 0; left &= left - 1) rows[r++] = 32 * w + 31 - Math.clz32(left & -left);
  return rows;
}
