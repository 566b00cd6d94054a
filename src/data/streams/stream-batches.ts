import { sliceChunk, type Chunk } from '../../chunks/chunk.js';
import type { Batch } from '../../core/batch.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { withGroups } from '../batches/dataset.js';
import type { FileColumns } from '../readers/cell-file.js';
import { itemAdder } from '../rows/event-columns.js';
import type { BadRow } from '../rows/rejects.js';
import { rowEncoder, type RowCollector } from '../rows/row-collector.js';
import type { EncodedFormat } from '../rows/row-format.js';
import type { ChunkStream, StreamChunk } from './chunk-stream.js';
import type { FollowedCounters } from './followed-counters.js';
import type { FollowedHistories } from './followed-histories.js';
import type { StreamCursor, StreamReading } from './record-stream.js';
import type { SchemaChange, SchemaWatch } from './schema-watch.js';

/** A batch of valid records of a stream, in order. */
export interface StreamBatch {
  /** Valid until the next batch is requested. */
  readonly batch: Batch;
  /** Position after its last record. */
  readonly cursor: StreamCursor;
  /** Records since the batch before, with those that are not in the batch. */
  readonly records: number;
}

/** How records become batches. */
export interface StreamBatchOptions {
  readonly stream: ChunkStream;
  readonly format: EncodedFormat;
  readonly batchRows: number;
  readonly counters?: FollowedCounters | undefined;
  readonly histories?: FollowedHistories | undefined;
  /** Readers before those of the format. */
  readonly first: readonly ReadColumns[];
  readonly schema: SchemaWatch;
  onSchemaChange(change: SchemaChange): void;
  /**
   * Called with each invalid record, when it is read: before the batch that follows it.
   * @throws to end the read
   */
  onReject(row: BadRow): void;
}

/**
 * Reads batches of `batchRows` valid records. A batch is encoded when it is requested, and no record after its last one
 * is, so that encoders which change with each record have the state after that record.
 */
export async function* readStreamBatches(
  { stream, format, batchRows, ...options }: StreamBatchOptions,
  reading: StreamReading,
): AsyncGenerator<StreamBatch> {
  const addItems = itemAdder(format.fields);
  const encoder = new RowEncoder({ format, ...options });
  let records = 0;
  for await (const each of stream.read({ ...reading, observer: options.histories })) {
    const change = options.schema.observe(each);
    if (change !== undefined) options.onSchemaChange(change);
    const { chunk } = each;
    for (let begin = 0, end; begin < chunk.rows; begin = end) {
      end = Math.min(chunk.rows, begin + batchRows - encoder.rows);
      records += encoder.add(each, rowsOf(chunk, begin, end));
      if (encoder.rows < batchRows) continue;
      const batch = encoder.take();
      const cursor = each.cursorAfter(end, true);
      yield { batch: withGroups(addItems?.(batch) ?? batch, format.spec.lossKeys ?? []), cursor, records };
      records = 0;
    }
    records += encoder.add(each, rowsOf(chunk, chunk.rows, chunk.rows));
  }
}

/** Encodes the rows of chunks of several files. */
class RowEncoder {
  readonly #format: EncodedFormat;
  readonly #counters: FollowedCounters | undefined;
  readonly #histories: FollowedHistories | undefined;
  readonly #first: readonly ReadColumns[];
  readonly #onReject: (row: BadRow) => void;
  #collector: RowCollector | undefined;
  #file: FileColumns | undefined;
  #numRejects = 0;

  constructor({
    format,
    counters,
    histories,
    first,
    onReject,
  }: Pick<StreamBatchOptions, 'format' | 'counters' | 'histories' | 'first' | 'onReject'>) {
    this.#format = format;
    this.#counters = counters;
    this.#histories = histories;
    this.#first = counters === undefined ? first : [...first, counters.refuseLate];
    this.#onReject = onReject;
  }

  /** Number of rows that were added since the last `take`. */
  get rows(): number {
    return this.#collector?.rows ?? 0;
  }

  /**
   * @param rows some rows of the chunk
   * @returns the number of records, with invalid ones
   */
  add({ columns, line, placeOf }: StreamChunk, rows: Chunk): number {
    const records = rows.rows + (rows.invalid?.length ?? 0);
    if (records === 0) return 0;
    this.#collector ??= rowEncoder(columns, this.#format, [], this.#first, this.#histories?.late);
    if (this.#file !== undefined && this.#file !== columns) this.#collector.startFile(columns);
    this.#file = columns;
    const counted = this.#counters?.add(rows, columns) ?? rows;
    this.#collector.add(this.#histories?.add(counted, columns) ?? counted, line);
    const { rejects } = this.#collector;
    const added = rejects.slice(this.#numRejects);
    this.#numRejects = rejects.length;
    for (const row of added) this.#onReject(placeOf === undefined ? row : { ...row, ...placeOf(row.line - line) });
    return records;
  }

  take(): Batch {
    this.#numRejects = 0;
    return this.#collector!.take().batch;
  }
}

/** Returns rows `begin` to `end`, with the invalid lines before each; after the last row, those at the end. */
export function rowsOf(chunk: Chunk, begin: number, end: number): Chunk {
  const { rows, invalid = [] } = chunk;
  if (begin === 0 && end === rows && invalid.length === 0) return chunk;
  const isEnd = begin === rows;
  const own = invalid.filter(({ before }) => before >= begin && (before < end || isEnd));
  return { ...sliceChunk(chunk, begin, end), invalid: own.map((each) => ({ ...each, before: each.before - begin })) };
}
