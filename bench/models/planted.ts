import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../../src/evaluation/evaluation.js';
import { NO_BIASES, type Biases } from '../../src/synth/biases.js';
import { PRESETS } from '../../src/synth/presets.js';
import { synth } from '../../src/synth.js';

/** Logs of the planted world that models are trained on, by name. */
export const LOGS = {
  /** Positions at random, and clicks that hide nothing: what `mtl synth` writes. */
  plain: NO_BIASES,
  /** Good positions go to what would be clicked anyway, who would buy clicks, and a need of the moment moves both. */
  biased: { position: 0.5, selection: 1, confounder: 1 },
} as const satisfies Record<string, Biases>;
export type LogName = keyof typeof LOGS;

/** The files of a log, and what is true of each. */
export interface PlantedLog {
  readonly folder: string;
  readonly files: Readonly<Record<'train' | 'valid' | 'test', string>>;
  /** The rows of test, were all of them clicked. */
  readonly clicked: string;
  /** What the true probabilities score on `test` and on `test-clicked`. */
  readonly oracle: Readonly<Record<string, Report>>;
}

const SEED = 2026;
/** Rows of valid and of test, as a share of train's; more than so many say nothing new. */
const SHARE = 0.1;
const MAX_ROWS = 200_000;
const MIN_ROWS = 2000;

/**
 * Writes a log into a folder of its own, or takes the one that is there.
 * @param rows of train; valid and test have a tenth of them each
 */
export async function plantedLog(root: string, name: LogName, rows: number): Promise<PlantedLog> {
  const folder = join(root, `${name}-${rows}`);
  const path = (file: string): string => join(folder, file);
  // Written last.
  if (!existsSync(path('oracle.json'))) {
    const { users, items, rates } = PRESETS.sample;
    const others = Math.min(MAX_ROWS, Math.max(MIN_ROWS, Math.round(rows * SHARE)));
    await synth({ folder, seed: SEED, users, items, rates, rows: { train: rows, valid: others, test: others }, biases: LOGS[name], counterfactualOf: 'test' });
  }
  // Written by synth.
  const oracle = JSON.parse(readFileSync(path('oracle.json'), 'utf8')) as PlantedLog['oracle'];
  return { folder, files: { train: path('train.csv'), valid: path('valid.csv'), test: path('test.csv') }, clicked: path('test-clicked.csv'), oracle };
}
