import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/disk.js';
import type { Predicted } from '../evaluation/evaluation.js';

/** How predictions of the best weights lie, by split: what curves are drawn from. */
export const SCORES = 'scores.json';

/** Predictions of one split. */
export interface SplitScores extends Predicted {
  /** Behind which they were made. */
  readonly step: number;
}

/** What scores.json holds: valid of the best epoch so far, and test in the end. */
export type ScoreFile = Readonly<Record<string, SplitScores>>;

const sums = z.strictObject({ rows: z.number(), positives: z.number(), predicted: z.number() });
/** Thousands of numbers, looked at in a loop: by zod each takes as long as twenty. */
const counts = z.custom<readonly number[]>((value) => Array.isArray(value) && value.every(Number.isFinite));
const scoresSchema = z.record(
  z.string(),
  z.strictObject({
    step: z.number(),
    outputs: z.record(z.string(), sums.extend({ at: counts, negatives: counts, truths: counts })),
    segments: z.record(z.string(), z.record(z.string(), z.record(z.string(), sums))),
  }),
);

/** Writes how predictions lie. */
export async function writeScores(run: string, scores: ScoreFile): Promise<void> {
  await writeFileAtomic(join(run, SCORES), `${JSON.stringify(scores)}\n`);
}

/** How predictions of a run lie; nothing where none were kept, or the file is damaged: it is for pictures alone. */
export function readScores(run: string): ScoreFile {
  const path = join(run, SCORES);
  if (!existsSync(path)) return {};
  try {
    return scoresSchema.parse(migrateScores(JSON.parse(readFileSync(path, 'utf8'))));
  } catch {
    return {};
  }
}

/** Renames the key `spaces`, of an earlier version, in every split. */
function migrateScores(stored: unknown): unknown {
  if (typeof stored !== 'object' || stored === null) return stored;
  return Object.fromEntries(
    Object.entries(stored).map(([split, scores]) => {
      const { spaces, ...current } = scores as Record<string, unknown>;
      return [split, spaces === undefined ? scores : { outputs: spaces, ...current }];
    }),
  );
}
