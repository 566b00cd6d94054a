import { userError } from '../../core/errors.js';
import { WORD, type Buffer } from '../compile/buffers.js';
import type { TablePlace } from '../compile/tables.js';
import { EXTERNAL_BASE, type MemoryPlan } from './memory-plan.js';

/** A table in its own memory. */
export interface ExternalTable {
  /** Address that calls pass. */
  readonly at: number;
  /** Rows, shared by all threads. */
  readonly floats: Float32Array;
}

/**
 * Returns the tables that are stored in their own memory: those that exist, and new ones with zeros, which occupy no
 * memory until written.
 * @throws UserError (data) if this Node cannot allocate one
 */
export function createExternalTables(
  tables: readonly TablePlace[],
  plan: MemoryPlan,
  inPlace: ReadonlyMap<Buffer, Float32Array> = new Map(),
): readonly ExternalTable[] {
  return tables
    .filter((table) => isExternal(table, plan))
    .map(({ name, at: { buffer }, rows, stride }) => {
      const bytes = rows * stride * WORD;
      try {
        const floats = inPlace.get(buffer) ?? new Float32Array(new SharedArrayBuffer(bytes));
        return { at: plan.addresses.get(buffer)!, floats };
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
    });
}

/** Returns whether a table is stored in its own memory. */
export function isExternal({ at }: Pick<TablePlace, 'at'>, { addresses }: MemoryPlan): boolean {
  return addresses.get(at.buffer)! >= EXTERNAL_BASE;
}

/** Returns the floats that contain a table's address, and its index among them. */
export function rowsAt(
  at: number,
  main: Float32Array,
  external: readonly ExternalTable[],
): { readonly floats: Float32Array; readonly first: number } {
  if (at < EXTERNAL_BASE) return { floats: main, first: at / WORD };
  const own = external.find((each) => at >= each.at && at < each.at + each.floats.length * WORD);
  if (own === undefined) throw new RangeError('memory access out of bounds');
  return { floats: own.floats, first: (at - own.at) / WORD };
}
