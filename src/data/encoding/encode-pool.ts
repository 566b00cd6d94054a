import type { Batch } from '../../core/batch.js';
import type { KeyTexts } from '../../core/row-key.js';
import { fewerThreads, startThread, type Thread } from '../../system/thread.js';
import { countLines } from '../files/csv-cells.js';
import { createPieceEncoder, type EncodeRequest, type EncodeResult, type EncoderSpec } from './encode-piece.js';
import { unpackRows } from './packed-rows.js';
import type { PlainReader } from './fill-blocks.js';
import type { RowsBeside } from './kept-cells.js';
import { addKeyTexts } from '../rows/key-readers.js';
import type { RejectPolicy } from '../rows/rejects.js';
import { blockColumns } from '../rows/row-block.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { countLeftOut } from '../rows/row-rule.js';
import type { RowShape } from '../files/row-reader.js';
import type { LineCount } from '../files/cell-file.js';

/** Threads that encode plain rows, this one among them. */
export interface Encoders extends PlainReader {
  /** Of the rows that are settled, by key column. */
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
  close(): Promise<void>;
}

/** How they work. */
export interface EncodersOptions {
  readonly threads: number;
  /** Whether nothing is encoded here before the other threads can; for tests, whose files are small. */
  readonly isPatient?: boolean;
  /** Told where fewer threads could start than were asked for. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Where what they make goes. */
export interface EncodersTarget {
  readonly policy: RejectPolicy;
  /** Columns whose cells pass as they are; none where it is left out. */
  readonly kept?: readonly string[];
  /** Takes rows in their order; their memory is used again when its promise is kept. */
  onRows(batch: Batch, beside: RowsBeside): Promise<void>;
}

/**
 * Pieces queued per worker, so that it has work while this thread does something else, such as writing a shard.
 */
const PIECES_PER_WORKER = 8;
/** Pieces of a thread that may be done before one that comes earlier in the file. */
const PIECES_PER_THREAD = 12;

/**
 * Threads that encode plain rows. They start with the first of them; until they are ready, this one does what there is.
 */
export function createEncoders(
  { csv, indices, constants }: RowShape,
  format: EncodedFormat,
  { threads, isPatient = false, onWarning }: EncodersOptions,
  { policy, kept = [], onRows }: EncodersTarget,
): Encoders {
  const columns = blockColumns(format);
  const about: EncoderSpec = {
    shape: {
      csv: { path: csv.path, header: csv.header, ...(csv.dialect && { dialect: csv.dialect }) },
      indices,
      ...(constants && { constants }),
    },
    spec: format.spec,
    fitted: format.fitted,
    kept,
  };
  const encodeHere = createPieceEncoder(about.shape, format, kept);
  const workers: { readonly thread: Thread; numAsked: number }[] = [];
  /** In the order of the file. */
  const started: { readonly result: Promise<EncodeResult>; readonly next: LineCount; isDone: boolean }[] = [];
  const spare: ArrayBuffer[] = [];
  let isStarted = false;
  let failure: unknown;
  let count = 0;
  const leftOut = new Map<string, number>();
  const keyTexts = new Map<string, KeyTexts>();
  const pieces = PIECES_PER_THREAD * threads;
  const needsLines = format.rules.some(({ needsLine }) => needsLine === true);
  /** The line on which the next piece begins. */
  let line = 0;

  const startWorkers = async (): Promise<void> => {
    isStarted = true;
    try {
      while (workers.length < threads - 1)
        workers.push({ thread: startThread('data/encoding/encode-worker', about), numAsked: Infinity });
    } catch (error) {
      onWarning?.(fewerThreads(error, workers.length + 1));
    }
    const ready = workers.map(async (worker) => {
      // It answers once it has made its encoders.
      await worker.thread.ask(undefined).catch((error: unknown) => (failure = error));
      worker.numAsked = 0;
    });
    if (isPatient) await Promise.all(ready);
  };

  const encode = (request: EncodeRequest): Promise<EncodeResult> => {
    const worker = workers.reduce<(typeof workers)[number] | undefined>(
      (a, b) => (a === undefined || b.numAsked < a.numAsked ? b : a),
      undefined,
    );
    if (worker === undefined || worker.numAsked >= PIECES_PER_WORKER) return Promise.resolve(encodeHere(request));
    worker.numAsked++;
    return (worker.thread.ask(request, [request.memory]) as Promise<EncodeResult>).finally(() => worker.numAsked--);
  };

  const finishOldest = async (): Promise<void> => {
    const { result, next } = started.shift()!;
    try {
      const { rows, lines, rejects, beside, leftOut: more, keyTexts: texts, packed } = await result;
      for (const row of rejects) policy.reject({ ...row, line: next.line + row.line });
      next.line += lines;
      if (rows > 0 || beside.skipped.length > 0) await onRows(unpackRows(packed, rows, columns), beside);
      count += rows;
      countLeftOut(leftOut, more);
      addKeyTexts(keyTexts, texts);
      spare.push(packed);
    } catch (error) {
      // What comes behind it does not count any more.
      started.length = 0;
      throw error;
    }
  };

  return {
    pieces,
    keyTexts,
    get found() {
      return { count, leftOut };
    },
    async start({ bytes, begin, end, next }) {
      if (!isStarted) await startWorkers();
      // Threads fail with errors.
      if (failure !== undefined) throw failure as Error;
      const piece = new Uint8Array(bytes.buffer, bytes.byteOffset + begin, end - begin);
      if (started.length === 0) ({ line } = next);
      const one = {
        result: encode({ bytes: piece, memory: spare.pop() ?? new ArrayBuffer(0), linesBefore: line }),
        next,
        isDone: false,
      };
      // What fails is thrown where it is awaited.
      one.result.then(
        () => (one.isDone = true),
        () => undefined,
      );
      started.push(one);
      if (needsLines) line += countLines(bytes, begin, end);
      // What is done need not wait until there is nothing else to do.
      while (started.length > pieces || started[0]?.isDone === true) await finishOldest();
    },
    async settle() {
      while (started.length > 0) await finishOldest();
    },
    async close() {
      await Promise.all(workers.map(({ thread }) => thread.close()));
    },
  };
}
