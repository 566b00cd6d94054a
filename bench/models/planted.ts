import { toBatch } from '../../test/support/batches.js';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createCollector, type Report } from '../../src/evaluation/evaluation.js';
import { listOutputs } from '../../src/evaluation/outputs.js';
import { NO_BIASES, type Biases } from '../../src/synth/biases.js';
import { drawImpressions, show } from '../../src/synth/impressions.js';
import { PRESETS } from '../../src/synth/presets.js';
import { createWorld } from '../../src/synth/world.js';
import { synth } from '../../src/synth.js';
import { taskOptions } from '../../src/core/tasks.js';

/** Synthetic logs with known probabilities, by name. */
export const LOGS = {
  /** Random positions and no hidden clicks: the default of `mtl synth`. */
  plain: NO_BIASES,
  /** Good positions go to likely clicks, buyers click more, and a confounder drives both. */
  biased: { position: 0.5, selection: 1, confounder: 1 },
} as const satisfies Record<string, Biases>;
export type LogName = keyof typeof LOGS;

/** Files of a log, and its true probabilities. */
export interface PlantedLog {
  readonly folder: string;
  readonly files: Readonly<Record<'train' | 'valid' | 'test', string>>;
  /** The test rows, as if all were clicked. */
  readonly clicked: string;
  /** Scores of the true probabilities on `test` and `test-clicked`. */
  readonly oracle: Readonly<Record<string, Report>>;
  /** Scores of the true conversion rate after a click on `clicked`: the best that can be learned from clicked rows. */
  readonly seen: Report;
}

const SEED = 2026;
/** Validation and test rows as a share of the training rows. */
const SHARE = 0.1;
const MAX_ROWS = 200_000;
const MIN_ROWS = 2000;

/**
 * Writes a log into a directory, or reuses an existing one.
 * @param rows training rows; validation and test have a tenth each
 */
export async function plantedLog(root: string, name: LogName, rows: number): Promise<PlantedLog> {
  const folder = join(root, `${name}-${rows}`);
  const path = (file: string): string => join(folder, file);
  // Written last.
  if (!existsSync(path('oracle.json'))) {
    rmSync(folder, { recursive: true, force: true });
    const { users, items, rates } = PRESETS.sample;
    const others = Math.min(MAX_ROWS, Math.max(MIN_ROWS, Math.round(rows * SHARE)));
    await synth({
      folder,
      seed: SEED,
      users,
      items,
      rates,
      rows: { train: rows, valid: others, test: others },
      biases: LOGS[name],
      counterfactualOf: 'test',
    });
  }
  // Written by synth.
  const oracle = JSON.parse(readFileSync(path('oracle.json'), 'utf8')) as PlantedLog['oracle'];
  const seen = seenOf(LOGS[name], oracle['test-clicked']!['cvr']!.rows);
  return {
    folder,
    files: { train: path('train.csv'), valid: path('valid.csv'), test: path('test.csv') },
    clicked: path('test-clicked.csv'),
    oracle,
    seen,
  };
}

function seenOf(biases: Biases, rows: number): Report {
  const { users, items, rates, shape } = PRESETS.sample;
  const shown = show(createWorld(SEED, { users, items }, shape), SEED, rates, biases);
  const collector = createCollector(listOutputs([{ name: 'cvr', ...taskOptions.parse({ label: 'purchase' }) }]));
  for (const { rows: size, purchaseIfClicked, purchaseProbability } of drawImpressions(shown, SEED, 'test', rows)) {
    collector.add(
      toBatch({
        rows: size,
        labels: new Map([['purchase', purchaseIfClicked]]),
      }),
      new Map([['cvr', purchaseProbability]]),
    );
  }
  return collector.report();
}
