import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordsBatch } from '@platformatic/kafka';
import { pushBatches } from '../../../src/data/streams/kafka-batches.js';
import { MergedLog, PartitionQueue, type LogRecord, type MergedRecord } from '../../../src/data/streams/merged-log.js';

const WAIT_MS = 10;

/** Returns the records of a partition from their timestamps. */
function recordsOf(timestamps: readonly number[], arrivalMs = 1000): LogRecord[] {
  return timestamps.map((timestampMs, offset) => ({ offset, timestampMs, arrivalMs, value: Buffer.of(offset) }));
}

/** Creates a queue for each partition, with all its records. */
function queuesOf(partitions: readonly (readonly number[])[]): PartitionQueue[] {
  return partitions.map((timestamps, partition) => {
    const queue = new PartitionQueue(partition, 0);
    for (const record of recordsOf(timestamps)) queue.push(record);
    return queue;
  });
}

const placeOf = ({ partition, record }: MergedRecord): string => `${partition}:${record.offset}`;

function takeAll(log: MergedLog): string[] {
  const places: string[] = [];
  for (let merged = log.next(); merged !== undefined; merged = log.next()) places.push(placeOf(merged));
  return places;
}

/** Merges whole partitions: removes the lowest first timestamp again and again, with a sort for each record. */
function mergeByHand(partitions: readonly (readonly number[])[]): string[] {
  const rest = partitions.map((timestamps) => timestamps.map((timestamp, offset) => ({ timestamp, offset })));
  const places: string[] = [];
  for (;;) {
    const firsts = rest.flatMap(([first], partition) => (first === undefined ? [] : [{ ...first, partition }]));
    const [next] = firsts.toSorted((a, b) => a.timestamp - b.timestamp || a.partition - b.partition);
    if (next === undefined) return places;
    rest[next.partition]!.shift();
    places.push(`${next.partition}:${next.offset}`);
  }
}

const partitionsOf = fc.array(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 12 }), {
  minLength: 1,
  maxLength: 4,
});

describe('a merged log', () => {
  it('has the same order for any order of arrival', () => {
    fc.assert(
      fc.property(partitionsOf, fc.infiniteStream(fc.nat()), (partitions, choices) => {
        const queues = partitions.map((_, partition) => new PartitionQueue(partition, 0));
        const log = new MergedLog(queues, Infinity);
        const left = partitions.map((timestamps) => recordsOf(timestamps));
        const places: string[] = [];
        for (let open = left.filter((records) => records.length > 0); open.length > 0;) {
          const records = open[choices.next().value % open.length]!;
          queues[left.indexOf(records)]!.push(records.shift()!);
          places.push(...takeAll(log));
          open = left.filter((each) => each.length > 0);
        }
        for (const queue of queues) queue.drainedMs = Infinity;
        expect([...places, ...takeAll(log)]).toEqual(mergeByHand(partitions));
      }),
    );
  });

  it('continues with the same order from any position', () => {
    fc.assert(
      fc.property(partitionsOf, fc.nat(), (partitions, choice) => {
        const log = new MergedLog(queuesOf(partitions), 0);
        for (const queue of log.queues) queue.drainedMs = Infinity;
        const all = mergeByHand(partitions);
        const count = choice % (all.length + 1);
        for (let i = 0; i < count; i++) log.next();
        const rest = partitions.map((timestamps, partition) => {
          const queue = new PartitionQueue(partition, log.queues[partition]!.position);
          queue.drainedMs = Infinity;
          for (const record of recordsOf(timestamps)) queue.push(record);
          return queue;
        });
        expect(takeAll(new MergedLog(rest, 0))).toEqual(all.slice(count));
      }),
    );
  });

  it('passes a silent partition once it was drained the wait after the timestamp', () => {
    const log = new MergedLog(queuesOf([[100], []]), WAIT_MS);
    const [, silent] = log.queues;
    silent!.drainedMs = 109;
    expect(log.next()).toBeUndefined();
    silent!.drainedMs = 110;
    expect(log.next()).toMatchObject({ partition: 0, isLate: false });
  });

  it('counts the wait from the arrival of a record whose timestamp is in the future', () => {
    const log = new MergedLog(queuesOf([[5000], []]), WAIT_MS);
    const [, silent] = log.queues;
    silent!.drainedMs = 1009;
    expect(log.next()).toBeUndefined();
    silent!.drainedMs = 1010;
    expect(log.next()).toMatchObject({ partition: 0 });
  });

  it('reports exactly the records that a second read merges earlier', () => {
    const [first, second] = queuesOf([[100, 130], []]);
    second!.drainedMs = 110;
    const log = new MergedLog([first!, second!], WAIT_MS);
    expect(placeOf(log.next()!)).toBe('0:0');
    for (const record of recordsOf([90, 100, 95])) second!.push(record);
    const rest = [log.next()!, log.next()!, log.next()!];
    expect(rest.map((merged) => [placeOf(merged), merged.isLate])).toEqual([
      ['1:0', true],
      // Equal timestamps: partition 0 is first in any read.
      ['1:1', false],
      // Offset 1 precedes it in any read.
      ['1:2', false],
    ]);
    expect(
      mergeByHand([
        [100, 130],
        [90, 100, 95],
      ]),
    ).toEqual(['1:0', '0:0', '1:1', '1:2', '0:1']);
  });

  it('ends at the given offset', () => {
    const [queue, silent] = [new PartitionQueue(0, 1), new PartitionQueue(1, 7)];
    [queue.end, silent.end] = [3, 7];
    for (const record of recordsOf([5, 6, 7, 8])) queue.push(record);
    expect(takeAll(new MergedLog([queue, silent], Infinity))).toEqual(['0:1', '0:2']);
    expect([queue.isComplete, queue.position]).toEqual([true, 3]);
  });
});

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const LOG_APPEND_TIME = 0x08;

/** A batch of records with one letter each. */
function batchOf(firstOffset: number, letters: string, more: Partial<RecordsBatch> = {}): RecordsBatch {
  const records = Array.from(letters, (letter, i) => ({
    length: 0,
    attributes: 0,
    timestampDelta: BigInt(i),
    offsetDelta: i,
    key: null,
    value: Buffer.from(letter),
    headers: [],
  }));
  const [lastOffsetDelta, now] = [letters.length - 1, 1000n];
  return {
    ...{ firstOffset: BigInt(firstOffset), length: 0, partitionLeaderEpoch: 0, magic: 2, crc: 0, attributes: 0 },
    ...{ lastOffsetDelta, firstTimestamp: now, maxTimestamp: now + 50n, producerId: -1n, producerEpoch: 0 },
    ...{ firstSequence: 0, records, ...more },
  };
}

/** The control record that ends a transaction: https://kafka.apache.org/documentation/#controlbatch. */
function markerOf(offset: number, producerId: bigint, type: 'abort' | 'commit'): RecordsBatch {
  const batch = batchOf(offset, 'x', { producerId, attributes: CONTROL | TRANSACTIONAL });
  batch.records[0]!.key = Buffer.of(0, 0, 0, type === 'abort' ? 0 : 1);
  return batch;
}

/** Returns what a queue has after a fetch. */
function fetched(batches: readonly RecordsBatch[], aborted: readonly (readonly [bigint, number])[] = []) {
  const queue = new PartitionQueue(0, 0);
  const abortedTransactions = aborted.map(([producerId, first]) => ({ producerId, firstOffset: BigInt(first) }));
  pushBatches(queue, { records: batches, abortedTransactions }, 0);
  const { fetched: end } = queue;
  const log = new MergedLog([queue], 0);
  const records: LogRecord[] = [];
  for (let merged = log.next(); merged !== undefined; merged = log.next()) records.push(merged.record);
  return { end, text: records.map(({ value }) => Buffer.from(value!).toString()).join(''), records };
}

describe('batches of a Kafka fetch', () => {
  it('lose the records of aborted transactions and control records, but not their offsets', () => {
    const own = { producerId: 7n, attributes: TRANSACTIONAL };
    const batches = [
      batchOf(0, 'ab', own),
      batchOf(2, 'c'),
      markerOf(3, 7n, 'abort'),
      batchOf(4, 'd', own),
      markerOf(5, 7n, 'commit'),
      batchOf(6, 'e', own),
      batchOf(7, 'f', { producerId: 8n, attributes: TRANSACTIONAL }),
    ];
    // The last transaction of producer 7 was aborted, but its control record is not in this fetch.
    expect(
      fetched(batches, [
        [7n, 6],
        [7n, 0],
      ]),
    ).toMatchObject({ text: 'cdf', end: 8 });
    expect(fetched(batches.slice(0, 2), [[7n, 0]])).toMatchObject({ text: 'c', end: 3 });
  });

  it('have the time of each record, or that of the append of its batch', () => {
    const timesOf = (batch: RecordsBatch): number[] => fetched([batch]).records.map(({ timestampMs }) => timestampMs);
    expect(timesOf(batchOf(0, 'ab'))).toEqual([1000, 1001]);
    expect(timesOf(batchOf(0, 'ab', { attributes: LOG_APPEND_TIME }))).toEqual([1050, 1050]);
  });

  it('skip offsets that a fetch of a whole batch returns again, and that compaction removed', () => {
    const queue = new PartitionQueue(0, 11);
    const batch = batchOf(10, 'abc', { lastOffsetDelta: 9 });
    pushBatches(queue, { records: [batch], abortedTransactions: [] }, 0);
    expect([queue.first?.offset, queue.fetched]).toEqual([11, 20]);
  });
});
