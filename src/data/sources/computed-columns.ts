import type { Paths, Split } from '../options.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import { keyOf } from '../readers/fingerprint.js';
import type { Reading } from './source.js';

/** Columns that are computed for the files of a source. */
export interface ComputedColumns {
  readonly names: readonly string[];
  /** Returns the columns that are read from a file with this header to compute them while the file is encoded. */
  inputs(header: readonly string[]): readonly string[];
  /** Computes all rows up to the last one of the source, unless that is done while they are encoded. */
  prepare(reading: Reading): Promise<void>;
  /** Returns a key of everything that determines the columns of a file, after `prepare`. */
  keyOf(path: string): string;
  /** @throws UserError (data) for a file with a column of the same name */
  wrap(rows: RowSource<CellFile>): RowSource<CellFile>;
}

/**
 * Returns the computed columns of a split; undefined if it has none.
 * @throws UserError (data) for files that cannot be read, or are shards
 */
export type ComputeColumns = (paths: Paths, split: Split) => Promise<ComputedColumns | undefined>;

/** Computes the columns of several computations. */
export function joinComputed(all: readonly (ComputeColumns | undefined)[]): ComputeColumns {
  return async (paths, split) => {
    const found: ComputedColumns[] = [];
    for (const compute of all) {
      const columns = await compute?.(paths, split);
      if (columns !== undefined) found.push(columns);
    }
    return found.length > 1 ? joined(found) : found[0];
  };
}

function joined(all: readonly ComputedColumns[]): ComputedColumns {
  return {
    names: all.flatMap(({ names }) => names),
    inputs: (header) => all.flatMap((each) => each.inputs(header)),
    async prepare(reading) {
      for (const each of all) await each.prepare(reading);
    },
    keyOf: (path) => keyOf(...all.map((each) => each.keyOf(path))),
    wrap: (rows) => all.reduce((wrapped, each) => each.wrap(wrapped), rows),
  };
}
