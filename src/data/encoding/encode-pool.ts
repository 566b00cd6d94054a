import { packRows, unpackRows } from '../../chunks/packed-rows.js';
import type { BlockColumn } from '../../chunks/row-block.js';
import type { Fitted } from '../../features/feature-types.js';
import { fewerThreads, startThread, type Thread } from '../../system/thread.js';
import type { FileColumns, PlainLines } from '../readers/cell-file.js';
import { countLines } from '../readers/csv-cells.js';
import { cutLines } from '../readers/cut-lines.js';
import { rowEncoder, type EncodedBatch, type KeptColumns } from '../rows/row-collector.js';
import { needsLines } from '../rows/row-filter.js';
import { storedColumns, type EncodedFormat, type FormatSpec } from '../rows/row-format.js';

/** Plain lines to encode, memory for the encoded rows, and the number of the first line. */
export interface EncodeRequest {
  readonly bytes: Uint8Array;
  readonly memory: ArrayBuffer;
  readonly line: number;
}

/** Encoded rows of plain lines. */
interface EncodeResult extends Omit<EncodedBatch, 'batch'> {
  readonly rows: number;
  readonly packed: ArrayBuffer;
  readonly numLines: number;
}

/** Start data of an encoding thread. */
export interface WorkerSpec {
  readonly file: FileColumns;
  readonly spec: FormatSpec;
  readonly fitted: Fitted;
  readonly kept: KeptColumns;
}

/** Creates the function with which each thread encodes plain lines. */
export function createLineEncoder(
  file: FileColumns,
  format: EncodedFormat,
  kept: KeptColumns,
): (request: EncodeRequest) => EncodeResult {
  const encoder = rowEncoder(file, format, kept);
  return ({ bytes, memory, line }) => {
    const lines = { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    let numLines = 0;
    for (const chunk of cutLines(file, lines)) {
      encoder.add(chunk, line + numLines);
      numLines += chunk.numLines;
    }
    const { batch, ...others } = encoder.take();
    return { ...others, rows: batch.rows, packed: packRows(batch, encoder.columns, memory), numLines };
  };
}

/** Options of a pool. */
export interface EncodePoolOptions {
  readonly threads: number;
  readonly kept: KeptColumns;
  /** Whether to wait until all threads have started; for tests, whose files are small. */
  readonly isPatient?: boolean | undefined;
  /** Receives a warning if fewer threads can start. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Pieces in the queue of a worker, so that it has work while this thread is busy. */
const PIECES_PER_WORKER = 8;
/** Pieces per thread that may be encoded before an earlier one is taken. */
const PIECES_PER_THREAD = 12;

interface Worker {
  readonly thread: Thread;
  numAsked: number;
}

interface Started {
  readonly result: Promise<EncodeResult>;
  /** Line number that the thread counted from. */
  readonly from: number;
  isDone: boolean;
}

/**
 * Encodes plain lines on several threads, this one among them. They start with the first lines; until they are ready,
 * this thread encodes alone. Results are taken in the order of the file.
 */
export class EncodePool {
  /** Pieces that may be in flight when another one is started. */
  readonly capacity: number;
  readonly #spec: WorkerSpec;
  readonly #columns: readonly BlockColumn[];
  readonly #options: EncodePoolOptions;
  readonly #encodeHere: ReturnType<typeof createLineEncoder>;
  readonly #needsLines: boolean;
  readonly #workers: Worker[] = [];
  readonly #started: Started[] = [];
  readonly #spare: ArrayBuffer[] = [];
  #hasStarted = false;
  #failure: unknown;
  /** Number of the first line of the next piece, if it is needed. */
  #line = 0;

  constructor(file: FileColumns, format: EncodedFormat, options: EncodePoolOptions) {
    this.capacity = PIECES_PER_THREAD * options.threads;
    this.#spec = { file, spec: format.spec, fitted: format.fitted, kept: options.kept };
    this.#columns = storedColumns(format);
    this.#options = options;
    this.#encodeHere = createLineEncoder(file, format, options.kept);
    this.#needsLines = needsLines(format.spec.filter);
  }

  /** Number of pieces in flight. */
  get size(): number {
    return this.#started.length;
  }

  /** Whether the oldest piece should be taken: it is done, or there are too many. */
  get isReady(): boolean {
    return this.size > this.capacity || this.#started[0]?.isDone === true;
  }

  /**
   * Starts to encode lines.
   * @param line number of the first one, if no other piece is in flight
   */
  async start({ bytes }: PlainLines, line: number): Promise<void> {
    if (!this.#hasStarted) await this.#startWorkers();
    if (this.#failure !== undefined) throw this.#failure as Error;
    if (this.size === 0) this.#line = line;
    const from = this.#needsLines ? this.#line : 0;
    const lines = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    const started: Started = {
      result: this.#encode({ bytes: lines, memory: this.#spare.pop() ?? new ArrayBuffer(0), line: from }),
      from,
      isDone: false,
    };
    // Avoids an unhandled rejection; `take` receives the error.
    started.result.then(
      () => (started.isDone = true),
      () => undefined,
    );
    this.#started.push(started);
    if (this.#needsLines) this.#line += countLines(bytes, 0, bytes.length);
  }

  /**
   * Waits for the oldest piece, whose rows are valid until the next one is taken.
   * @param line number of its first line
   */
  async take(line: number): Promise<{ readonly rows: EncodedBatch; readonly numLines: number }> {
    const { result, from } = this.#started.shift()!;
    try {
      const { rows, packed, numLines, rejects, ...others } = await result;
      this.#spare.push(packed);
      const batch = unpackRows(packed, rows, this.#columns);
      const numbered = rejects.map((row) => ({ ...row, line: line - from + row.line }));
      return { rows: { ...others, batch, rejects: numbered }, numLines };
    } catch (error) {
      // Drops later pieces.
      this.#started.length = 0;
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(({ thread }) => thread.close()));
  }

  async #startWorkers(): Promise<void> {
    this.#hasStarted = true;
    const { threads, isPatient, onWarning } = this.#options;
    try {
      while (this.#workers.length < threads - 1)
        this.#workers.push({ thread: startThread('data/encoding/encode-worker', this.#spec), numAsked: Infinity });
    } catch (error) {
      onWarning?.(fewerThreads(error, this.#workers.length + 1));
    }
    const ready = this.#workers.map(async (worker) => {
      // A thread answers when it has created its encoder.
      await worker.thread.ask(undefined).catch((error: unknown) => (this.#failure = error));
      worker.numAsked = 0;
    });
    if (isPatient === true) await Promise.all(ready);
  }

  #encode(request: EncodeRequest): Promise<EncodeResult> {
    const [worker] = this.#workers.toSorted((a, b) => a.numAsked - b.numAsked);
    if (worker === undefined || worker.numAsked >= PIECES_PER_WORKER) return Promise.resolve(this.#encodeHere(request));
    worker.numAsked++;
    return (worker.thread.ask(request, [request.memory]) as Promise<EncodeResult>).finally(() => worker.numAsked--);
  }
}
