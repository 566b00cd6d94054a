import type { StreamChunk } from './chunk-stream.js';

/** Columns that appeared or disappeared in a stream. */
export interface SchemaChange {
  readonly path: string;
  readonly line: number;
  /** Columns of a header that the header before lacks. */
  readonly added: readonly string[];
  /** Columns that are no longer in the header, or have no value in any row of a chunk. */
  readonly removed: readonly string[];
}

/** Minimum number of rows that show that a column has no values. */
const MIN_ROWS = 100;

/** Detects changes of the columns of a stream: of headers, and of columns that are read and no longer have values. */
export class SchemaWatch {
  #header: readonly string[] | undefined;
  readonly #filled = new Set<string>();

  /** Returns the change that a chunk shows. */
  observe({ chunk, columns: { path, header }, line }: StreamChunk): SchemaChange | undefined {
    const before = this.#header ?? header;
    this.#header = header;
    const added = header.filter((name) => !before.includes(name));
    const removed = before.filter((name) => !header.includes(name));
    for (const [name, column] of chunk.columns) {
      const isEmpty = !someRow(chunk.rows, (row) => hasValue(() => column.text(row)));
      if (!isEmpty) this.#filled.add(name);
      else if (chunk.rows >= MIN_ROWS && this.#filled.delete(name)) removed.push(name);
    }
    return added.length + removed.length > 0 ? { path, line, added, removed } : undefined;
  }
}

function someRow(rows: number, test: (row: number) => boolean): boolean {
  for (let row = 0; row < rows; row++) if (test(row)) return true;
  return false;
}

function hasValue(text: () => string): boolean {
  try {
    return text() !== '';
  } catch {
    // An invalid value is reported with its row.
    return true;
  }
}
