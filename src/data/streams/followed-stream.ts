import { SAMPLE_COLUMN } from '../../delay/columns.js';
import type { FollowOptions } from '../follow-options.js';
import { CounterPlan } from '../counters/counter-plan.js';
import { dataColumns, type RowFormat } from '../rows/row-format.js';
import type { DataOptions } from '../options.js';
import { parseDialect } from '../dialect.js';
import { historyColumns, itemColumns, type HistoryPlan } from '../histories/history-plan.js';
import { joinedColumns, joinedEvents } from '../join-options.js';
import { sampleWriter } from '../replay/numbered-samples.js';
import type { ChunkStream } from './chunk-stream.js';
import type { DeadLetters } from './dead-letters.js';
import { joinedSamples } from './joined-samples.js';
import { joinStreams } from './joined-stream.js';
import type { StreamReading } from './record-stream.js';
import { readStreamBatches, type StreamBatch, type StreamBatchOptions } from './stream-batches.js';
import type { StreamState } from './stream-state.js';
import { openChunkStream } from './streams.js';
import { Watermark, type Lateness } from './watermark.js';

/**
 * Opens the stream of a config.
 * @throws UserError (data) if it cannot be opened
 */
export async function openFollowed(
  data: DataOptions,
  format: RowFormat,
  { time }: FollowOptions,
  histories: readonly HistoryPlan[] = [],
): Promise<ChunkStream> {
  const counters = CounterPlan.of(data, format.spec.tasks);
  const times = time === undefined ? [] : [time];
  const read = [dataColumns(format), counters?.columns ?? [], historyColumns(histories), times];
  const columns = new Set(read.flat());
  for (const name of [...(counters?.names ?? []), ...itemColumns(histories)]) columns.delete(name);
  const dialect = parseDialect(data);
  const { train = [], join } = data;
  if (join === undefined) return openChunkStream(train, { columns: [...columns], dialect });
  for (const name of [...joinedColumns(join), SAMPLE_COLUMN]) columns.delete(name);
  for (const name of [join.key, join.time]) columns.add(name);
  const rows = await openChunkStream(train, { columns: [...columns], dialect });
  const logs = joinedEvents(join).map(({ file }) => openChunkStream(file, { columns: [join.key, join.time], dialect }));
  return joinStreams(rows, await Promise.all(logs), [...columns], join, joinedSamples(format.spec.tasks, join));
}

/** What a run trains on, and where it is. */
export interface Followed extends StreamBatchOptions {
  readonly options: FollowOptions;
  /** Receives invalid records, and writes them when their batch was trained on. */
  readonly letters: Pick<DeadLetters, 'add' | 'write'>;
  /** Updated after each step. */
  readonly state: StreamState;
}

/** Reads the batches of a stream from the position of a run, which moves when a batch is trained on. */
export class FollowedStream {
  readonly #followed: Followed;
  readonly #watermark: Watermark;

  constructor(followed: Followed) {
    this.#followed = followed;
    this.#watermark = new Watermark(followed.options, followed.state);
  }

  /**
   * Reads batches from the position on.
   * @throws UserError (data), and the signal's reason
   */
  async *batches(reading: Omit<StreamReading, 'from'>): AsyncGenerator<StreamBatch> {
    const { format, state } = this.#followed;
    const writeSamples = sampleWriter(format);
    const first = this.#watermark.readers();
    for await (const each of readStreamBatches(this.#followed, first, { ...reading, from: state.cursor }))
      yield { ...each, batch: writeSamples(each.batch) };
  }

  /** Times of the records that were read. */
  get lateness(): Lateness {
    return this.#watermark.now;
  }

  /** Moves the position after a batch, before the next one is requested. */
  moveAfter({ cursor, records }: StreamBatch): void {
    const { states, letters, state } = this.#followed;
    letters.write();
    for (const each of states) each.move(cursor);
    Object.assign(state, this.#watermark.now, { cursor, records: state.records + records });
  }
}
