import { z } from 'zod';
import type { LabelFacts } from '../../core/tasks.js';
import type { StateSection } from '../../core/state-section.js';

const count = z.int().min(0);
const sumSchema = z.strictObject({ weight: z.number(), sum: z.number() });
const countsShape = { records: count, rejected: count, outOfOrder: count, late: count };

const streamStateSchema = z.strictObject({
  /** Position after the last record that was trained on; absent before the first step. */
  cursor: z.unknown().optional(),
  /** Records before the position: all, those in rejects.csv, those that are older than one before them, late ones. */
  ...countsShape,
  /** Latest time of a record, in milliseconds since 1970. */
  watermark: z.number().nullable(),
  /** The same numbers at the beginning of the window. */
  windowStart: z.strictObject(countsShape),
  rejectsBytes: count,
  /** Label statistics of the first records, by task. */
  sums: z.record(z.string(), z.strictObject({ own: sumSchema, chain: sumSchema })),
});
/** Position of a run in its stream, and what is known of the records before it. JSON. */
export type StreamState = z.output<typeof streamStateSchema>;
export type StreamCounts = StreamState['windowStart'];

/** Section of a checkpoint with the position in the stream. */
export const streamSection: StateSection<StreamState> = { name: 'stream', version: 1, schema: streamStateSchema };

/** Returns the state before the first record. */
export function firstStreamState(): StreamState {
  const none = { records: 0, rejected: 0, outOfOrder: 0, late: 0 };
  return { ...none, watermark: null, windowStart: { ...none }, rejectsBytes: 0, sums: {} };
}

/** Returns the numbers of records in the current window. */
export function windowCounts({ windowStart: start, ...now }: StreamState): StreamCounts {
  return {
    records: now.records - start.records,
    rejected: now.rejected - start.rejected,
    outOfOrder: now.outOfOrder - start.outOfOrder,
    late: now.late - start.late,
  };
}

/** Begins the next window of a stream, with counts of zero. */
export function startWindow(state: StreamState): void {
  const { records, rejected, outOfOrder, late } = state;
  state.windowStart = { records, rejected, outOfOrder, late };
}

/** Label statistics as they are stored. */
export function storedSums(sums: LabelFacts['sums']): StreamState['sums'] {
  return Object.fromEntries(
    [...sums].map(([name, { own, chain }]) => [name, { own: { ...own }, chain: { ...chain } }]),
  );
}
