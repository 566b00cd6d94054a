import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/disk.js';
import type { TrainResult } from '../training/observer.js';
import { parseJson } from './manifest.js';

/** Result of a run, written unless it fails. */
export const SUMMARY = 'summary.json';

// Reports are only displayed, so their content is not validated.
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

/** Writes summary.json to a run directory, atomically. */
export async function writeSummary(run: string, result: TrainResult): Promise<void> {
  await writeFileAtomic(join(run, SUMMARY), `${JSON.stringify(result, null, 2)}\n`);
}

/**
 * Reads summary.json.
 * @returns undefined if it does not exist
 * @throws UserError (checkpoint) for an invalid file
 */
export function readSummary(run: string): TrainResult | undefined {
  const path = join(run, SUMMARY);
  if (!existsSync(path)) return undefined;
  return parseJson(path, readFileSync(path, 'utf8'), summarySchema) as unknown as TrainResult;
}
