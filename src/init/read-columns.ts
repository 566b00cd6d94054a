import { encodedFormat, rowFormatOf } from '../data/rows/row-format.js';
import { skipBadRows } from '../data/rows/rejects.js';
import { openSource } from '../data/sources/open-source.js';
import { createRowSampler } from '../data/sources/row-sample.js';
import { absolute } from '../data/sources/find-files.js';
import type { Paths } from '../data/options.js';

/** A column of some rows: its different cells, and which of them each row has. */
export interface Column {
  readonly name: string;
  /** Different cells, in the order in which they were first seen. */
  readonly values: readonly string[];
  /** Rows that have each. */
  readonly counts: readonly number[];
  /** By row: the place of its cell in `values`. */
  readonly codes: Uint32Array;
}

/** A sample of the rows of some data. */
export interface Rows {
  readonly columns: readonly Column[];
  readonly count: number;
  /** Whether there are more rows. */
  readonly isCut: boolean;
}

/** Rows that are read at the most. */
const MAX_ROWS = 100_000;

/**
 * Reads a sample of data of which nothing is known but what its files say themselves.
 * @throws UserError (data) for what cannot be read
 */
export async function readColumns(paths: Paths): Promise<Rows> {
  const full = absolute(paths);
  const { columns: names } = await openSource(full, []);
  const sampler = createRowSampler(MAX_ROWS);
  const source = await sampler.open(full, names, {});
  const columns = names.map((name) => ({
    name,
    places: new Map<string, number>(),
    values: [] as string[],
    counts: [] as number[],
    codes: [] as number[],
  }));
  // Rows that are no rows are told by whoever trains.
  const policy = skipBadRows(undefined, Infinity);
  await source.stream(
    encodedFormat(rowFormatOf({ tasks: [], groups: [] }), {}),
    names,
    { policy },
    ({ kept, skipped }) => {
      const bad = new Set(skipped.map((before, i) => before + i));
      for (const [c, column] of columns.entries()) {
        for (const [r, cell] of kept[c]!.entries()) {
          if (bad.has(r)) continue;
          const at = column.places.get(cell) ?? column.values.push(cell) - 1;
          column.places.set(cell, at);
          column.counts[at] = (column.counts[at] ?? 0) + 1;
          column.codes.push(at);
        }
      }
      return Promise.resolve();
    },
  );
  return {
    columns: columns.map(({ name, values, counts, codes }) => ({
      name,
      values,
      counts,
      codes: Uint32Array.from(codes),
    })),
    count: columns[0]?.codes.length ?? 0,
    isCut: sampler.isCut,
  };
}
