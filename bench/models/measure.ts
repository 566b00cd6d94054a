import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { writeFileAtomic } from '../../src/disk.js';
import { evaluate } from '../../src/evaluate.js';
import type { Report } from '../../src/evaluation/evaluation.js';
import { train } from '../../src/train.js';
import type { PlantedLog } from './planted.js';

/** A training of a config on a planted log, and what it scored. */
export interface Trained {
  readonly config: string;
  readonly seed: number;
  /** Trained numbers, those of embedding tables among them. */
  readonly numWeights: number;
  readonly epochs: number;
  readonly bestEpoch: number;
  readonly rowsPerSecond: number;
  /** Of the whole run, reading and measuring included. */
  readonly seconds: number;
  readonly test: Report;
  /** On the rows of test, were all of them clicked. */
  readonly clicked: Report;
}

/** What decides a training beside its config. */
export interface MeasureOptions {
  readonly seed: number;
  readonly threads: number | undefined;
  /** Changes to the config, as for `--set`. */
  readonly set?: readonly string[];
}

/**
 * Trains a config on a log and measures it, or takes what an earlier call measured of the same config, log and options, so that a
 * long list of trainings that was ended goes on where it was.
 */
export async function measureConfig(path: string, log: PlantedLog, { seed, threads, set = [] }: MeasureOptions): Promise<Trained> {
  const config = basename(path, '.yaml');
  const key = createHash('sha256').update(JSON.stringify([readFileSync(path, 'utf8'), seed, set])).digest('hex').slice(0, 12);
  const kept = join(log.folder, 'measured', `${config}-${seed}-${key}.json`);
  // Written below.
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8')) as Trained;

  const overrides = [...set, `seed=${seed}`, `data.cache=${join(log.folder, '.mtl')}`, ...Object.entries(log.files).map(([split, file]) => `data.${split}=${file}`)];
  const loaded = await loadConfig(path, overrides.map(parseOverride));
  const runDir = join(log.folder, 'runs', `${config}-${seed}-${key}`);
  rmSync(runDir, { recursive: true, force: true });
  const { signal } = new AbortController();
  const ignore = (): undefined => undefined;
  let [numWeights, epochs, rows, elapsedMs] = [0, 0, 0, 0];
  const begin = performance.now();
  const { bestEpoch, metrics } = await train(loaded, { device: 'cpu', threads, runDir, overrides, signal }, {
    onNotice: ignore,
    onRead: ignore,
    onStep: ignore,
    onStart: (start) => (numWeights = start.numWeights + start.numTableWeights),
    onMilestone: (milestone) => {
      if (!milestone.isEpochEnd) return;
      epochs = milestone.epoch;
      rows += milestone.rows;
      elapsedMs += milestone.elapsedMs;
    },
  });
  const seconds = (performance.now() - begin) / 1000;
  const { metrics: counterfactual } = await evaluate({ path: runDir, data: [log.clicked], device: 'cpu', threads, onNotice: ignore, signal });
  const measured: Trained = { config, seed, numWeights, epochs, bestEpoch, rowsPerSecond: (1000 * rows) / elapsedMs, seconds, test: metrics['test']!, clicked: counterfactual['test']! };
  mkdirSync(join(log.folder, 'measured'), { recursive: true });
  await writeFileAtomic(kept, `${JSON.stringify(measured, null, 1)}\n`);
  rmSync(runDir, { recursive: true, force: true });
  return measured;
}
