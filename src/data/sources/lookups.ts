import { ChunkRows } from '../../chunks/chunk.js';
import type { CellOptions } from '../../features/cells.js';
import { readTexts } from '../../features/computed.js';
import { LookupTableBuilder, type LookupColumn, type LookupTable } from '../../features/lookups.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { parseDialect } from '../dialect.js';
import type { LookupsOptions } from '../lookup-options.js';
import { readChunks } from '../pipeline.js';
import type { RowSource } from '../readers/cell-file.js';
import { openRows } from '../readers/open-rows.js';
import { createRowFormat, type RowFormat } from '../rows/row-format.js';
import { refuseInvalid } from '../rows/row-reader.js';
import { findFiles } from './find-files.js';
import { openAll } from './open-all.js';

/** A column that a field reads, and how the field cleans it. */
type Use = LookupColumn & { readonly cells: CellOptions };

/**
 * Reads the side tables that the fields of a format use; returns the format with them.
 * @throws UserError (data) with the problems of all tables
 */
export async function withLookups(format: RowFormat, options: LookupsOptions = {}): Promise<RowFormat> {
  const uses = format.fields.flatMap(({ computed, cells = {} }) =>
    (computed?.lookups ?? []).map((lookup): Use => ({ ...lookup, cells })),
  );
  if (uses.length === 0) return format;
  const open = (name: string): Promise<LookupTable> => {
    const own = uses.filter(({ table }) => table === name);
    // The config declares every table that a field uses.
    return readTable(name, options[name]!, own, format.spec.cells ?? {});
  };
  const names = new Set(uses.map(({ table }) => table));
  const lookups = await openAll(names, open, (problem, name) => ({ key: `data.lookups.${name}`, ...problem }));
  return createRowFormat({ ...format.spec, lookups });
}

/** Lines of a file that are numbered apart from the lines of other files. */
const FILE_LINES = 2 ** 32;

async function readTable(
  name: string,
  { file, key, ...dialect }: LookupsOptions[string],
  uses: readonly Use[],
  cells: CellOptions,
): Promise<LookupTable> {
  const wanted = [...new Set([key, ...uses.map(({ column }) => column)])];
  const sources: RowSource[] = [];
  for (const { path } of findFiles(file)) sources.push(await openRows(path, wanted, parseDialect(dialect)));
  const table = new LookupTableBuilder(name, uses);
  /** File and line of each row. */
  const places: number[] = [];
  const addRow = (text: string, rows: ChunkRows, row: number, place: number): void => {
    if (text === '') throw new InvalidValueError('a key', 'remove the row, or add its key');
    const other = places[table.add(text, rows, row) - 1];
    if (other !== undefined) {
      const found = `${sources[Math.floor(other / FILE_LINES)]!.columns.path}:${other % FILE_LINES}`;
      throw new InvalidValueError('a key that no other row has', `remove one; ${found} has it too`);
    }
    places.push(place);
  };
  for await (const { chunk, columns, file, line } of readChunks(sources)) {
    const rows = new ChunkRows(chunk);
    const keys = readTexts(rows, key, cells);
    for (const { check, cells: own } of uses) check(rows, own);
    const first = file * FILE_LINES + line;
    rows.eachKept([key], (row) => addRow(keys[row]!, rows, row, first + rows.lineOf(row)));
    refuseInvalid(rows, chunk, columns, line);
  }
  return table.finish();
}
