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
  /**
   * What the true probability of a purchase after a click scores on `clicked`: all that can be learned of rows that
   * were clicked.
   */
  readonly seen: Report;
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
      {
        rows: size,
        ids: new Map(),
        numbers: new Map(),
        bags: new Map(),
        labels: new Map([['purchase', purchaseIfClicked]]),
      },
      new Map([['cvr', purchaseProbability]]),
    );
  }
  return collector.report();
}
