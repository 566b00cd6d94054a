import type { Batch } from '../../core/batch.js';
import type { Task } from '../../core/tasks.js';
import type { Dataset } from '../batches/dataset.js';
import { LogOrder } from './log-order.js';
import { LogReplay } from './log-replay.js';
import { RowSamples } from './row-samples.js';

/** Rows of the log that are added together. */
const ADDED_ROWS = 1024;

/** How many samples a log has. */
export interface ReplayCounts {
  readonly samples: number;
  /** Samples that are due after the last row, which are excluded. */
  readonly late: number;
}

/** Returns whether the labels of a task are delayed. */
export function hasDelay(tasks: readonly Task[]): boolean {
  return tasks.some(({ delay }) => delay !== undefined);
}

/** Describes the samples of a log of `rows` rows. */
export function replayNotice(rows: number, { samples, late }: ReplayCounts): string {
  return (
    `delay: ${rows} rows are trained as ${samples} samples in order of time; ${late} samples are due after the last ` +
    'row and are excluded'
  );
}

/**
 * Returns a log as the stream of its samples, in order of time. Samples that are due after the last row are excluded.
 * Labels are the labels of the log.
 * @throws UserError (data) for a row that is earlier than the one before it, or cannot be replayed
 */
export async function replayDataset(
  log: Dataset,
  tasks: readonly Task[],
): Promise<{ readonly dataset: Dataset; readonly counts: ReplayCounts }> {
  const samples = new RowSamples(tasks);
  const counts = await countSamples(log, samples);
  return { dataset: createDataset(log, samples, counts.samples), counts };
}

function createDataset(log: Dataset, samples: RowSamples, rows: number): Dataset {
  const { idCounts, absentUsers, leftOut, labelCounts, keyTexts } = log;
  return {
    rows,
    idCounts,
    absentUsers,
    leftOut,
    labelCounts,
    keyTexts,
    async *batches(batchSize, shuffle, { skipBatches = 0 } = {}) {
      if (shuffle !== undefined) throw new Error('a replay has one order');
      let left = skipBatches;
      for await (const batch of replayBatches(log, samples, batchSize))
        if (left-- <= 0) yield { batch, totalRows: rows };
    },
    labels: () => log.labels(),
    close: () => log.close(),
  };
}

async function* replayBatches(log: Dataset, samples: RowSamples, batchSize: number): AsyncGenerator<Batch> {
  const replay = new LogReplay(samples);
  for await (const { batch } of log.batches(ADDED_ROWS)) {
    replay.add(batch);
    while (replay.numReady >= batchSize) yield replay.take(batchSize)!;
  }
  if (replay.numReady > 0) yield replay.take(batchSize)!;
}

/** Counts the samples of a log in two passes over its labels: the first one finds the time of the last row. */
async function countSamples(log: Dataset, samples: RowSamples): Promise<ReplayCounts> {
  let lastMs = -Infinity;
  for await (const block of log.labels()) {
    const reader = samples.reader(block);
    for (let row = 0; row < block.rows; row++) lastMs = reader.timeOf(row) ?? lastMs;
  }
  const counts = { samples: 0, late: 0 };
  const order = new LogOrder(samples);
  for await (const block of log.labels()) {
    const reader = samples.reader(block);
    for (let row = 0; row < block.rows; row++)
      for (const timeMs of order.next(reader, row)) counts[timeMs > lastMs ? 'late' : 'samples']++;
  }
  return counts;
}
