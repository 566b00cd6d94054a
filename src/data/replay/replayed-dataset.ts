import type { Batch, BatchRead } from '../../core/batch.js';
import type { Task } from '../../core/tasks.js';
import type { BatchRange, Dataset } from '../batches/dataset.js';
import type { Shuffle } from '../batches/pass.js';
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
 * Labels are those of the log.
 * @throws UserError (data) for a row that is earlier than the one before it, or cannot be replayed
 */
export async function replayDataset(
  log: Dataset,
  tasks: readonly Task[],
): Promise<{ readonly dataset: Dataset; readonly counts: ReplayCounts }> {
  const samples = new RowSamples(tasks);
  const counts = await countSamples(log, samples);
  return { dataset: new ReplayedDataset(log, samples, counts.samples), counts };
}

class ReplayedDataset implements Dataset {
  readonly rows: number;
  readonly idCounts: Dataset['idCounts'];
  readonly absentUsers: Dataset['absentUsers'];
  readonly leftOut: Dataset['leftOut'];
  readonly labelCounts: Dataset['labelCounts'];
  readonly keyTexts: Dataset['keyTexts'];
  readonly #log: Dataset;
  readonly #samples: RowSamples;

  constructor(log: Dataset, samples: RowSamples, rows: number) {
    this.rows = rows;
    this.idCounts = log.idCounts;
    this.absentUsers = log.absentUsers;
    this.leftOut = log.leftOut;
    this.labelCounts = log.labelCounts;
    this.keyTexts = log.keyTexts;
    this.#log = log;
    this.#samples = samples;
  }

  async *batches(
    batchSize: number,
    shuffle?: Shuffle,
    { skipBatches = 0 }: BatchRange = {},
  ): AsyncGenerator<BatchRead> {
    if (shuffle !== undefined) throw new Error('a replay has one order');
    let left = skipBatches;
    for await (const batch of replayBatches(this.#log, this.#samples, batchSize))
      if (left-- <= 0) yield { batch, totalRows: this.rows };
  }

  labels(): ReturnType<Dataset['labels']> {
    return this.#log.labels();
  }

  close(): Promise<void> {
    return this.#log.close();
  }
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
