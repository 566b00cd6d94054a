import type { Column } from '../../chunks/column.js';
import type { StreamChunk } from './chunk-stream.js';

/** Columns that appeared or disappeared in a stream. */
export interface SchemaChange {
  readonly path: string;
  readonly line: number;
  /** Columns that no header or first record of a chunk had before. */
  readonly added: readonly string[];
  /** Columns that the header lacks, or that have no value in any row of a chunk, unlike before. */
  readonly removed: readonly string[];
}

/** Describes a change in one line. */
export function describeSchemaChange({ path, line, added, removed }: SchemaChange): string {
  const parts = [
    ...(added.length > 0 ? [`new columns ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`no longer has ${removed.join(', ')}`] : []),
  ];
  return `${path}:${line}: ${parts.join('; ')}`;
}

/** Minimum number of rows that show that a column has no values. */
const MIN_ROWS = 100;

/** Detects changes of the columns of a stream: of headers, and of columns that are read and no longer have values. */
export class SchemaWatch {
  #header: readonly string[] | undefined;
  readonly #known = new Set<string>();
  readonly #filled = new Set<string>();

  /** Returns the change that a chunk shows. */
  observe({ chunk, columns: { path, header }, line }: StreamChunk): SchemaChange | undefined {
    const names = chunk.firstNames?.() ?? header;
    const added = this.#known.size === 0 ? [] : names.filter((name) => !this.#known.has(name));
    for (const name of names) this.#known.add(name);
    const removed = (this.#header ?? header).filter((name) => !header.includes(name));
    this.#header = header;
    for (const name of removed) this.#known.delete(name);
    for (const [name, column] of chunk.columns) {
      if (hasValue(column, chunk.rows)) this.#filled.add(name);
      else if (chunk.rows >= MIN_ROWS && this.#filled.delete(name)) removed.push(name);
    }
    return added.length + removed.length > 0 ? { path, line, added, removed } : undefined;
  }
}

function hasValue(column: Column, rows: number): boolean {
  try {
    for (let row = 0; row < rows; row++) if (column.text(row) !== '') return true;
    return false;
  } catch {
    // An invalid value is reported with its row.
    return true;
  }
}
