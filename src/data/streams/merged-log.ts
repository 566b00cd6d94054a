/** A record of a partition. */
export interface LogRecord {
  readonly offset: number;
  /** Time of the record, in milliseconds since the epoch. */
  readonly timestampMs: number;
  /** Time when this process received it. */
  readonly arrivalMs: number;
  /** Null for a tombstone. */
  readonly value: Uint8Array | null;
}

/** Records of one partition that were fetched and not yet merged. */
export class PartitionQueue {
  /** Offset after the records that were merged. */
  position: number;
  /** Offset after the records that were fetched. */
  fetched: number;
  /** Offset after the last record to merge. */
  end = Infinity;
  /** Time of the last request that found no record at or after `fetched`. */
  drainedMs = -Infinity;
  /** The last record that was merged while this queue was empty. */
  passed: { readonly timestampMs: number; readonly partition: number } | undefined;
  #records: LogRecord[] = [];
  #first = 0;

  /** @param position offset of the first record */
  constructor(
    readonly partition: number,
    position: number,
  ) {
    this.position = position;
    this.fetched = position;
  }

  /** The next record to merge. */
  get first(): LogRecord | undefined {
    return this.#records[this.#first];
  }

  /** Whether no record is left up to the end. */
  get isComplete(): boolean {
    return this.first === undefined && this.fetched >= this.end;
  }

  /** Appends a record, unless it was fetched before or is not below the end; offsets ascend. */
  push(record: LogRecord): void {
    if (record.offset < this.fetched || record.offset >= this.end) return;
    this.#records.push(record);
    this.fetched = record.offset + 1;
  }

  /** Removes the next record. */
  shift(): void {
    this.position = this.first!.offset + 1;
    if (++this.#first < this.#records.length) return;
    this.#records = [];
    this.#first = 0;
  }
}

/** A record and its partition. */
export interface MergedRecord {
  readonly partition: number;
  readonly record: LogRecord;
  /** Whether records were merged earlier that a second read of the log merges later. */
  readonly isLate: boolean;
}

/**
 * Merges partitions: of the next records of all partitions, the one with the lowest timestamp is first; of equal
 * timestamps, the record of the lowest partition. The order depends on timestamps and offsets alone if each partition's
 * next record is known. A partition without one delays the others until it was drained `waitMs` after the timestamp of
 * the record to merge, or after its arrival if that is earlier.
 */
export class MergedLog {
  /** @param queues ordered by partition; later ones are appended */
  constructor(
    readonly queues: PartitionQueue[],
    private readonly waitMs: number,
  ) {}

  /** Removes and returns the next record; undefined if it has to be fetched or waited for. */
  next(): MergedRecord | undefined {
    let queue: PartitionQueue | undefined;
    for (const other of this.queues)
      if (other.first !== undefined && (queue === undefined || other.first.timestampMs < queue.first!.timestampMs))
        queue = other;
    if (queue === undefined) return undefined;
    const record = queue.first!;
    const dueMs = Math.min(record.timestampMs, record.arrivalMs) + this.waitMs;
    const silent = this.queues.filter((other) => other.first === undefined && !other.isComplete);
    if (silent.some(({ drainedMs }) => drainedMs < dueMs)) return undefined;
    const key = { timestampMs: record.timestampMs, partition: queue.partition };
    for (const other of silent) if (isBefore(other.passed, key)) other.passed = key;
    const isLate = isBefore(key, queue.passed);
    // Later records of this partition follow it in any read.
    if (!isLate) queue.passed = undefined;
    queue.shift();
    return { partition: queue.partition, record, isLate };
  }
}

type Key = NonNullable<PartitionQueue['passed']>;

/** Returns whether `key` precedes `other`; undefined precedes every key. */
function isBefore(key: Key | undefined, other: Key | undefined): boolean {
  if (key === undefined || other === undefined) return other !== undefined;
  if (key.timestampMs !== other.timestampMs) return key.timestampMs < other.timestampMs;
  return key.partition < other.partition;
}
