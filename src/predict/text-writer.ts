import { startThread, type Thread } from '../system/thread.js';
import type { RowWriter, ScoredColumns, ScoredRows, WriteBytes } from './scored-rows.js';
import { TEXT_FORMATS, type TextFormat } from './text-writers.js';

/** What a formatting thread is started with. */
export interface FormatSpec {
  readonly columns: ScoredColumns;
  readonly format: TextFormat;
}

/** Rows from which on another thread formats them while the next ones are scored. */
const THREADED_ROWS = 1 << 16;
/** Batches that the thread may have. */
const MAX_BATCHES = 4;

/**
 * Creates a writer of text.
 * @param threads maximum number of threads; one of several formats rows if there are many
 */
export function textWriter(
  columns: ScoredColumns,
  format: TextFormat,
  writeBytes: WriteBytes,
  threads: number,
): RowWriter {
  const formatter = TEXT_FORMATS[format](columns);
  let thread: Thread | undefined;
  let numRows = 0;
  let isDone = Promise.resolve();
  const batches: Promise<void>[] = [];
  const write = (bytes: Uint8Array | Promise<unknown>): void => {
    const formatted = Promise.resolve(bytes);
    const before = isDone;
    isDone = (async () => {
      const text = (await formatted) as Uint8Array;
      await before;
      await writeBytes(text);
    })();
    // Avoids an unhandled rejection; the awaiting caller receives the error.
    isDone.catch(() => undefined);
    batches.push(isDone);
  };
  const formatElsewhere = ({ rows, inputs, predictions }: ScoredRows): Promise<unknown> => {
    thread ??= startThread('predict/format-worker', { columns, format } satisfies FormatSpec);
    return thread.ask({ rows, inputs, predictions });
  };
  write(formatter.header);
  return {
    async write(rows) {
      numRows += rows.rows;
      write(threads > 1 && numRows > THREADED_ROWS ? formatElsewhere(rows) : formatter.format(rows));
      while (batches.length > MAX_BATCHES) await batches.shift();
    },
    async end() {
      await Promise.all(batches);
    },
    close: async () => thread?.close(),
  };
}
