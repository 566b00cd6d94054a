import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/disk.js';
import type { Predicted } from '../evaluation/evaluation.js';

/** Score histograms of the best weights, by split; the source of charts. */
export const SCORES = 'scores.json';

export interface SplitScores extends Predicted {
  /** Step of the weights that predicted them. */
  readonly step: number;
}

/** Content of scores.json: valid of the best epoch so far, and test once the run is completed. */
export type ScoreFile = Readonly<Record<string, SplitScores>>;

const sums = z.strictObject({ rows: z.number(), positives: z.number(), predicted: z.number() });
/** Checked in a loop: zod is about twenty times slower for thousands of elements. */
const counts = z.custom<readonly number[]>((value) => Array.isArray(value) && value.every(Number.isFinite));
const scoresSchema = z.record(
  z.string(),
  z.strictObject({
    step: z.number(),
    outputs: z.record(z.string(), sums.extend({ at: counts, negatives: counts, truths: counts })),
    segments: z.record(z.string(), z.record(z.string(), z.record(z.string(), sums))),
  }),
);

/** Writes scores.json to a run directory, atomically. */
export async function writeScores(run: string, scores: ScoreFile): Promise<void> {
  await writeFileAtomic(join(run, SCORES), `${JSON.stringify(scores)}\n`);
}

/** Reads scores.json; empty if it is missing or invalid, because only charts need it. */
export function readScores(run: string): ScoreFile {
  const path = join(run, SCORES);
  if (!existsSync(path)) return {};
  try {
    return scoresSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {};
  }
}
