import { userError } from '../core/errors.js';
import { encodedFormat, createRowFormat } from '../data/rows/row-format.js';
import { skipBadRows } from '../data/rows/rejects.js';
import { openSource } from '../data/sources/open-source.js';
import { createRowSampler } from '../data/sources/row-sample.js';
import { absolute } from '../data/sources/find-files.js';
import type { Paths } from '../data/options.js';

export interface Column {
  readonly name: string;
  /** Distinct values, in order of first occurrence. */
  readonly values: readonly string[];
  /** Number of rows per value. */
  readonly counts: readonly number[];
  /** By row: the index of its value. */
  readonly codes: Uint32Array;
}

/** A sample of the rows of some data. */
export interface Rows {
  readonly columns: readonly Column[];
  readonly count: number;
  /** Whether there are more rows. */
  readonly isCut: boolean;
}

/** Maximum number of rows to read. */
const MAX_ROWS = 100_000;

/**
 * Reads a sample of files without a config.
 * @throws UserError (data) if a file cannot be read, or there is no usable row
 */
export async function readColumns(paths: Paths): Promise<Rows> {
  const full = absolute(paths);
  const { columns: names } = await openSource(full, []);
  const sampler = createRowSampler(MAX_ROWS);
  const source = await sampler.open(full, names, {});
  const columns = names.map((name) => ({
    name,
    codeByValue: new Map<string, number>(),
    values: [] as string[],
    counts: [] as number[],
    codes: [] as number[],
  }));
  // Training reports invalid rows.
  const policy = skipBadRows(undefined, Infinity);
  const format = encodedFormat(createRowFormat({ tasks: [], groups: [] }), {});
  for await (const { kept, skipped } of source.stream(format, names, { policy })) {
    const invalid = new Set(skipped.map((numBefore, i) => numBefore + i));
    for (const [c, column] of columns.entries()) {
      for (const [r, cell] of kept[c]!.entries()) {
        if (invalid.has(r)) continue;
        const code = column.codeByValue.get(cell) ?? column.values.push(cell) - 1;
        column.codeByValue.set(cell, code);
        column.counts[code] = (column.counts[code] ?? 0) + 1;
        column.codes.push(code);
      }
    }
  }
  const count = columns[0]?.codes.length ?? 0;
  if (count === 0)
    throw userError('data', {
      where: [paths].flat().join(', '),
      message: 'expected at least one usable row after the header, found none',
    });
  return {
    columns: columns.map(({ name, values, counts, codes }) => ({
      name,
      values,
      counts,
      codes: Uint32Array.from(codes),
    })),
    count,
    isCut: sampler.isCut,
  };
}
