import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/disk.js';
import type { TrainResult } from '../training/observer.js';
import { parseJson } from './manifest.js';

/** What came of a run, written when it ends in whatever way but an error. */
export const SUMMARY = 'summary.json';

// What a report holds is only shown again.
const summarySchema = z.looseObject({
  end: z.string(),
  name: z.string(),
  model: z.string(),
  seed: z.number(),
  changes: z.array(z.string()),
  epochs: z.number(),
  steps: z.number(),
  bestEpoch: z.number(),
  monitor: z.string(),
  monitored: z.number().nullable(),
  metrics: z.record(z.string(), z.record(z.string(), z.looseObject({}))),
  elapsedMs: z.number(),
  rowsPerSecond: z.number(),
});

/** Writes what came of a run. */
export async function writeSummary(run: string, result: TrainResult): Promise<void> {
  await writeFileAtomic(join(run, SUMMARY), `${JSON.stringify(result, null, 2)}\n`);
}

/**
 * What came of a run.
 * @returns undefined for one that has not ended, or was made before summaries were
 * @throws UserError (checkpoint) for a file that is not what a run writes
 */
export function readSummary(run: string): TrainResult | undefined {
  const path = join(run, SUMMARY);
  if (!existsSync(path)) return undefined;
  const { numRejects, ...summary } = parseJson(path, readFileSync(path, 'utf8'), summarySchema);
  // An earlier version wrote `numRejects`.
  return { rejectedRows: numRejects, ...summary } as unknown as TrainResult;
}
