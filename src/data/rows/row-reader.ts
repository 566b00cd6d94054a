import { ChunkRows, type Chunk, type RowProblem } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import type { RowBlock } from '../../chunks/row-block.js';
import { quoted, userError } from '../../core/errors.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { listColumns } from '../../features/kinds/kinds.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { FileColumns } from '../readers/cell-file.js';
import { startLabelRule, type LabelRule } from './label-rule.js';
import { badRowError, type BadRow } from './rejects.js';
import { startFilter, type FilterRows } from './row-filter.js';
import type { RowFormat } from './row-format.js';

/**
 * Reads chunks of files to a block: first the columns of the row filter, then all others, then the labels of each row
 * together. Rows that are invalid or excluded are marked; the block has memory for all rows.
 */
export class RowReader {
  readonly #readers: readonly ReadColumns[];
  readonly #late: readonly ReadColumns[];
  readonly #filter: FilterRows | undefined;
  readonly #labels: LabelRule;
  /** Columns that may not be lists. */
  readonly #scalars: readonly string[];
  #states = new Uint8Array(0);

  /**
   * @param readers in the order in which the problems of a row count
   * @param late readers of the rows that are valid otherwise
   */
  constructor({ spec, labels, fields }: RowFormat, readers: readonly ReadColumns[], late: readonly ReadColumns[] = []) {
    this.#readers = readers;
    this.#late = late;
    this.#filter = spec.filter && startFilter(spec.filter, spec.cells);
    this.#labels = startLabelRule(spec.tasks);
    this.#scalars = [
      ...labels.flatMap(({ columns }) => columns),
      ...fields.flatMap((field) => field.columns.filter((name) => !listColumns(field).includes(name))),
    ];
  }

  /** @param line number of the first line of the chunk */
  read(chunk: Chunk, file: FileColumns, block: RowBlock, line: number): ChunkRows {
    if (this.#states.length < chunk.rows) this.#states = new Uint8Array(2 * chunk.rows);
    this.#refuseLists(chunk, file);
    const rows = new ChunkRows(withConstants(chunk, file), this.#states);
    // Such a chunk may have no columns.
    if (chunk.rows === 0) return rows;
    this.#filter?.(rows, line);
    for (const read of this.#readers) read(rows, block);
    checkConstants(rows, chunk, file);
    this.#labels(rows, block);
    for (const read of this.#late) read(rows, block);
    return rows;
  }

  /** @throws UserError (data) for a column of lists where the format expects one value */
  #refuseLists({ columns }: Chunk, { path }: FileColumns): void {
    for (const name of this.#scalars) {
      const column = columns.get(name);
      if (column?.lists === undefined) continue;
      throw userError('data', {
        where: path,
        key: `column ${quoted(name)}`,
        message: `is ${column.type}, but the config expects one value per row`,
        fix: 'set type: bag for the feature, or type: vector for a list of numbers',
      });
    }
  }
}

/** Adds the columns that the names of directories set. */
export function withConstants(chunk: Chunk, { constants }: FileColumns): Chunk {
  if (constants === undefined) return chunk;
  const indices = new Uint32Array(chunk.rows);
  const columns = [...constants].map(([name, value]): [string, Column] => {
    const text = (): string => value;
    return [name, { type: 'string', text, dictionary: { indices, values: { size: 1, text } } }];
  });
  return { ...chunk, columns: new Map([...chunk.columns, ...columns]) };
}

/** Refuses rows whose own value differs from the value of the directory name. */
function checkConstants(rows: ChunkRows, { columns }: Chunk, { constants }: FileColumns): void {
  for (const [name, value] of constants ?? []) {
    const own = columns.get(name);
    if (own === undefined) continue;
    const error = new InvalidValueError(
      `${quoted(value)}, as in the directory name`,
      'rename the directory, or remove the column from the file',
    );
    for (let row = 0; row < rows.count; row++)
      if (rows.isKept(row) && own.text(row) !== value) rows.refuse(row, [name], error);
  }
}

/**
 * Lists the invalid rows of a chunk, in order.
 * @param line number of the first line of the chunk
 */
export function invalidRows(rows: ChunkRows, chunk: Chunk, file: FileColumns, line: number): readonly BadRow[] {
  const { path } = file;
  const problems = rows.problems().map(([row, problem]) => ({
    row,
    bad: {
      ...describeProblem(rows, chunk, file, row, problem),
      path,
      line: line + rows.lineOf(row),
      cells: chunk.cellsOf(row),
      cure: problem.error.cure,
    },
  }));
  const lines = (chunk.invalid ?? []).map(({ before, line: own, ...bad }) => ({
    row: before - 0.5,
    bad: { path, line: line + own, column: undefined, value: undefined, ...bad },
  }));
  return [...problems, ...lines].sort((a, b) => a.row - b.row).map(({ bad }) => bad);
}

/** @throws UserError (data) for the first invalid row of a chunk */
export function refuseInvalid(...of: Parameters<typeof invalidRows>): void {
  const [bad] = invalidRows(...of);
  if (bad !== undefined) throw badRowError(bad, bad.cure ?? 'correct the row');
}

function describeProblem(
  rows: ChunkRows,
  chunk: Chunk,
  { constants }: FileColumns,
  row: number,
  { columns, error: { expected } }: RowProblem,
): Pick<BadRow, 'column' | 'value' | 'expected'> {
  if (columns === undefined) return { column: undefined, value: undefined, expected };
  const isConstant = (name: string): boolean => constants?.has(name) === true && !chunk.columns.has(name);
  const own = columns.filter((name) => !isConstant(name));
  const shown = own.length > 0 ? own : columns;
  const texts = shown.map((name) => (chunk.columns.get(name) ?? rows.column(name)).text(row)).join(', ');
  if (own.length > 0) return { column: own.join(', '), value: texts, expected };
  return {
    column: undefined,
    value: undefined,
    expected: `${expected} in column ${quoted(columns.join(', '))}, which the directory name sets to ${quoted(texts)}`,
  };
}
