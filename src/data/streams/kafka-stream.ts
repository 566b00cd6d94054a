import type { ClusterTopicMetadata, Consumer } from '@platformatic/kafka';
import { z } from 'zod';
import { quoted, type UserError, userError } from '../../core/errors.js';
import { wallClockMs } from '../../system/clock.js';
import { jsonLine, joinLines } from './json-line.js';
import { pushBatches } from './kafka-batches.js';
import { asKafkaError, KEEP_RECORDS, permanentProblem, rootMessage } from './kafka-errors.js';
import { MergedLog, PartitionQueue, type MergedRecord } from './merged-log.js';
import { orAborted, Outage } from './outage.js';
import type { RecordPiece, RecordStream, StreamLag, StreamReading } from './record-stream.js';

/** Maximum bytes of the lines of a piece, unless a single line is longer. */
const PIECE_BYTES = 1 << 18;
/** Maximum bytes that are requested of all partitions together, and bounds of each one's share. */
const FETCH_BYTES = 1 << 26;
const [MIN_PARTITION_BYTES, MAX_PARTITION_BYTES] = [1 << 16, 1 << 20];
/** Time that a broker waits for records before it answers that it has none. */
const POLL_MS = 200;
/** Names of offsets in Kafka's protocol. */
const [EARLIEST, LATEST] = [-2n, -1n];

/** Next offset of each partition; partitions that were added later begin at their first record. */
const cursorSchema = z.strictObject({ topic: z.string(), id: z.string(), offsets: z.array(z.int().min(0)) });
type KafkaCursor = z.output<typeof cursorSchema>;

/** What a read has fetched. */
interface Fetched {
  readonly topicId: string;
  readonly log: MergedLog;
  readonly endsWhenEmpty: boolean;
}

/** The merged partitions of a topic. */
export class KafkaStream implements RecordStream {
  #log: MergedLog | undefined;
  /** The first records when the stream was read first. */
  #begin: KafkaCursor | undefined;
  #numTombstones = 0;
  #numLate = 0;

  /** @param waitMs see `MergedLog` */
  constructor(
    readonly name: string,
    private readonly topic: string,
    private readonly waitMs: number,
    private readonly client: Consumer,
  ) {}

  async *read(reading: StreamReading): AsyncGenerator<RecordPiece> {
    const { signal, endsWhenEmpty } = reading;
    const outage = new Outage(this.name, reading);
    const fetched = await this.#retry(outage, signal, () => this.#start(reading));
    const { log } = fetched;
    this.#log = log;
    for (;;) {
      signal.throwIfAborted();
      const piece = this.#takePiece(fetched, reading);
      if (piece !== undefined) yield piece;
      else if (endsWhenEmpty && log.queues.every(({ isComplete }) => isComplete)) return;
      else await this.#retry(outage, signal, () => this.#fetch(fetched));
    }
  }

  async lag(): Promise<StreamLag | undefined> {
    const queues = this.#log?.queues;
    if (queues === undefined) return undefined;
    const latest = await this.#offsets(LATEST);
    const amounts = latest.map((end, partition) => Math.max(0, end - (queues[partition]?.position ?? 0)));
    return { amount: amounts.reduce((sum, amount) => sum + amount, 0), unit: 'records' };
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  /** Calls `work` until the brokers answer. */
  async #retry<T>(outage: Outage, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await orAborted(work(), signal);
        outage.end();
        return result;
      } catch (error) {
        signal.throwIfAborted();
        const failure = asKafkaError(error);
        if (failure === undefined) throw error;
        const problem = permanentProblem(failure);
        if (problem !== undefined) throw userError('data', { where: this.name, ...problem }, error);
        this.client.clearMetadata();
        await outage.wait(rootMessage(failure));
      }
    }
  }

  /** Creates the queues from a cursor, or from the first record of each partition. */
  async #start({ from, endsWhenEmpty }: StreamReading): Promise<Fetched> {
    const { id } = await this.#topicMetadata();
    const earliest = await this.#offsets(EARLIEST);
    this.#begin ??= { topic: this.topic, id, offsets: earliest };
    const cursor = from === undefined ? this.#begin : this.#parseCursor(from);
    this.#checkCursor(cursor, id, earliest);
    const queues = earliest.map((first, p) => new PartitionQueue(p, cursor.offsets[p] ?? first));
    return { topicId: id, log: new MergedLog(queues, this.waitMs), endsWhenEmpty };
  }

  #parseCursor(from: unknown): KafkaCursor {
    const { success, data } = cursorSchema.safeParse(from);
    if (success && data.topic === this.topic) return data;
    const message = `the position is not of this topic: ${quoted(from)}`;
    throw this.#error(message, 'start a new run, or restore data.train');
  }

  #checkCursor({ id, offsets }: KafkaCursor, currentId: string, earliest: readonly number[]): void {
    if (id !== currentId || offsets.length > earliest.length) throw this.#recreatedError();
    const p = offsets.findIndex((offset, partition) => offset < earliest[partition]!);
    if (p < 0) return;
    const range = `${offsets[p]} to ${earliest[p]! - 1}`;
    const message = `records ${range} of partition ${p} were deleted before the run read them`;
    throw this.#error(message, KEEP_RECORDS);
  }

  #recreatedError(): UserError {
    return this.#error('the topic was deleted and created again since the run began', 'start a new run');
  }

  #error(message: string, fix: string): UserError {
    return userError('data', { where: this.name, message, fix });
  }

  /** Merges the records that can be merged now, up to the size of a piece; returns undefined without any. */
  #takePiece({ topicId, log }: Fetched, reading: StreamReading): RecordPiece | undefined {
    const begin = log.queues.map(({ position }) => position);
    const lines: Uint8Array[] = [];
    const places: { readonly partition: number; readonly offset: number }[] = [];
    let numBytes = 0;
    while (numBytes < PIECE_BYTES) {
      const merged = log.next();
      if (merged === undefined) break;
      const { partition, record } = merged;
      this.#reportOddity(merged, reading);
      if (record.value === null) continue;
      const line = jsonLine(record.value);
      lines.push(line);
      places.push({ partition, offset: record.offset });
      numBytes += line.length;
    }
    if (lines.length === 0) return undefined;
    const end = log.queues.map(({ position }) => position);
    const cursor = (offsets: number[]): KafkaCursor => ({ topic: this.topic, id: topicId, offsets });
    return {
      bytes: joinLines(lines),
      cursorAfter(count) {
        if (count === places.length) return cursor(end);
        const offsets = [...begin];
        for (const { partition, offset } of places.slice(0, count)) offsets[partition] = offset + 1;
        return cursor(offsets);
      },
      placeOf: (line) => ({ path: `${this.name}/${places[line]!.partition}`, line: places[line]!.offset }),
    };
  }

  #reportOddity({ partition, record, isLate }: MergedRecord, { onWarning }: StreamReading): void {
    const place = `record ${record.offset} of partition ${partition}`;
    if (record.value === null && this.#numTombstones++ === 0)
      onWarning(`${this.name}: skips records without a value (tombstones), the first of which is ${place}`);
    // Growing counts bound the number of warnings.
    if (isLate && /^10*$/.test(String(++this.#numLate)))
      onWarning(
        `${this.name}: ${place} arrived after later records of other partitions (${this.#numLate} so far); ` +
          'a second read of the topic has another order; raise ?wait= of the URL',
      );
  }

  /** Fetches records of the partitions whose queue is empty. */
  async #fetch(fetched: Fetched): Promise<void> {
    const { topicId, log } = fetched;
    const { id, partitions } = await this.#topicMetadata();
    if (id !== topicId) throw this.#recreatedError();
    for (let p = log.queues.length; p < partitions.length; p++) log.queues.push(new PartitionQueue(p, 0));
    const empty = log.queues.filter((queue) => queue.first === undefined && !queue.isComplete);
    const leaders = [...new Set(empty.map(({ partition }) => partitions[partition]!.leader))];
    const fetches = leaders.map((leader) => {
      const queues = empty.filter(({ partition }) => partitions[partition]!.leader === leader);
      return this.#fetchFrom(leader, fetched, queues);
    });
    // No fetch is in flight when the next one of its partitions begins.
    const failed = (await Promise.allSettled(fetches)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #fetchFrom(
    node: number,
    { topicId, log, endsWhenEmpty }: Fetched,
    queues: readonly PartitionQueue[],
  ): Promise<void> {
    const share = Math.floor(FETCH_BYTES / log.queues.length);
    const partitionMaxBytes = Math.min(MAX_PARTITION_BYTES, Math.max(MIN_PARTITION_BYTES, share));
    const partitions = queues.map(({ partition, fetched }) => ({
      partition,
      fetchOffset: BigInt(fetched),
      partitionMaxBytes,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
    const requestMs = wallClockMs();
    const { responses } = await this.client.fetch({
      node,
      maxWaitTime: POLL_MS,
      maxBytes: partitionMaxBytes * queues.length,
      topics: [{ topicId, partitions }],
    });
    const arrivalMs = wallClockMs();
    for (const response of responses.flatMap((each) => each.partitions)) {
      const queue = queues.find(({ partition }) => partition === response.partitionIndex)!;
      const end = Number(response.lastStableOffset);
      if (endsWhenEmpty && queue.end === Infinity) queue.end = end;
      pushBatches(queue, response, arrivalMs);
      if (queue.fetched >= end) queue.drainedMs = requestMs;
    }
  }

  async #topicMetadata(): Promise<ClusterTopicMetadata> {
    const { topics } = await this.client.metadata({ topics: [this.topic] });
    return topics.get(this.topic)!;
  }

  async #offsets(timestamp: bigint): Promise<number[]> {
    const offsets = await this.client.listOffsets({ topics: [this.topic], timestamp });
    return offsets.get(this.topic)!.map(Number);
  }
}
