import type { RecordsBatch } from '@platformatic/kafka';
import type { PartitionQueue } from './merged-log.js';

// Bits of a batch's attributes: https://kafka.apache.org/documentation/#recordbatch
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** Type of the control record that ends an aborted transaction. */
const ABORT = 0;

/** What a fetch returned for a partition. */
export interface FetchedPartition {
  readonly records?: readonly RecordsBatch[];
  /** Transactions that ended without a commit, with the offset of their first record. */
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
}

/**
 * Appends the records of a fetch to the queue of their partition, without control records and records of aborted
 * transactions. A transaction that was aborted is known from its first offset, and ends at its control record.
 */
export function pushBatches(queue: PartitionQueue, fetched: FetchedPartition, arrivalMs: number): void {
  const transactions = fetched.abortedTransactions.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  const aborted = new Set<bigint>();
  for (const batch of fetched.records ?? []) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
    while (transactions.length > 0 && transactions[0]!.firstOffset <= last)
      aborted.add(transactions.shift()!.producerId);
    if ((batch.attributes & CONTROL) !== 0) {
      if (batch.records[0]?.key?.readInt16BE(2) === ABORT) aborted.delete(batch.producerId);
    } else if ((batch.attributes & TRANSACTIONAL) === 0 || !aborted.has(batch.producerId))
      pushBatch(queue, batch, arrivalMs);
    // Compaction and control records leave offsets without a record.
    queue.fetched = Math.max(queue.fetched, Number(last) + 1);
  }
}

function pushBatch(queue: PartitionQueue, batch: RecordsBatch, arrivalMs: number): void {
  const isAppendTime = (batch.attributes & LOG_APPEND_TIME) !== 0;
  for (const { offsetDelta, timestampDelta, value } of batch.records)
    queue.push({
      offset: Number(batch.firstOffset) + offsetDelta,
      timestampMs: Number(isAppendTime ? batch.maxTimestamp : batch.firstTimestamp + timestampDelta),
      arrivalMs,
      value,
    });
}
