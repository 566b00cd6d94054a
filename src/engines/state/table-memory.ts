import { userError } from '../../core/errors.js';
import { WORD } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import { tableTensor, type Plan } from '../engine.js';
import { ALIGNMENT, type MemoryPlan } from './memory-plan.js';

/** The rows of each table, which all threads share, by the table's address in calls. */
export type TableMemory = ReadonlyMap<number, Float32Array>;

export const NO_TABLES: TableMemory = new Map();

/**
 * Returns the memory of all tables, each its own: those of the plan that rows are read from in place, and new ones with
 * zeros, which occupy no memory until written.
 * @param alignedIn returns the offset in new memory, below ALIGNMENT, at which the first row begins
 * @throws UserError (data) if this Node cannot allocate a table
 */
export function allocateTables(
  { plan, tables }: Pick<Layout, 'plan' | 'tables'>,
  { addresses }: MemoryPlan,
  alignedIn: (memory: SharedArrayBuffer) => number,
): TableMemory {
  return new Map(
    tables.all.map((table) => [
      addresses.get(table.at.buffer)!,
      findInPlace(table, plan.sharedTables) ?? allocateTable(table, alignedIn),
    ]),
  );
}

/** Returns the rows of a table that exists in shared memory, unless rows have a state beside their weights. */
function findInPlace(
  { name, at: { buffer }, stride, rowWords }: TablePlace,
  sharedTables: Plan['sharedTables'],
): Float32Array | undefined {
  if (stride !== rowWords) return undefined;
  // A table has no domain.
  return sharedTables?.get(tableTensor(name))?.subarray(0, (buffer.rows as number) * stride);
}

function allocateTable(
  { name, rows, stride }: TablePlace,
  alignedIn: (memory: SharedArrayBuffer) => number,
): Float32Array {
  const bytes = rows * stride * WORD;
  try {
    const memory = new SharedArrayBuffer(bytes + ALIGNMENT);
    return new Float32Array(memory, alignedIn(memory), rows * stride);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw userError(
      'data',
      {
        key: 'features',
        message:
          `table '${name}' with ${rows} rows requires ${(bytes / 2 ** 30).toFixed(1)} GiB with its optimizer ` +
          `state, more than Node ${process.versions.node} can allocate at once`,
        fix: 'reduce the width or rows, use an optimizer with less state (row-wise-adagrad), or update Node',
      },
      error,
    );
  }
}
