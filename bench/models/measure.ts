import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { writeFileAtomic } from '../../src/io/disk.js';
import { evaluate } from '../../src/evaluate.js';
import type { Report } from '../../src/evaluation/evaluation.js';
import { train } from '../../src/train.js';
import type { PlantedLog } from './planted.js';

/** A config trained on a synthetic log, and its scores. */
export interface Trained {
  readonly config: string;
  readonly seed: number;
  /** Trainable weights, including embedding tables. */
  readonly numWeights: number;
  readonly epochs: number;
  readonly bestEpoch: number;
  readonly test: Report;
  /** On the test rows, as if all were clicked. */
  readonly clicked: Report;
}

/** Settings of a training besides its config. */
export interface MeasureOptions {
  readonly seed: number;
  readonly threads: number | undefined;
  /** Overrides of the config, as with `--set`. */
  readonly set?: readonly string[];
}

/** AUC with its 95% interval. */
const METRICS = 'evaluation.metrics=[{ name: auc, confidence: 95% }, logLoss, pcoc]';
const SPEED_EPOCHS = 3;

/**
 * Trains and measures a config, or returns a stored result for the same config, log and options, so that an interrupted
 * benchmark resumes.
 */
export async function measureConfig(path: string, log: PlantedLog, options: MeasureOptions): Promise<Trained> {
  const kept = keptConfig(path, log, options);
  if (kept !== undefined) return kept;
  const { seed, threads, set = [] } = options;
  const file = keptFile(path, log.folder, 'measured', options);
  const runDir = join(log.folder, 'runs', basename(file, '.json'));
  let [numWeights, epochs] = [0, 0];
  const overrides = [METRICS, ...set, `seed=${seed}`, ...dataOf(log)];
  const { bestEpoch, metrics } = await trainConfig(
    path,
    overrides,
    runDir,
    threads,
    (at) => void ({ epoch: epochs, numWeights } = at),
  );
  const { metrics: counterfactual } = await evaluate({
    path: runDir,
    data: [log.clicked],
    device: 'cpu',
    threads,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
  const measured: Trained = {
    config: basename(path, '.yaml'),
    seed,
    numWeights,
    epochs,
    bestEpoch,
    test: metrics['test']!,
    clicked: counterfactual['test']!,
  };
  await keep(file, measured);
  rmSync(runDir, { recursive: true, force: true });
  return measured;
}

/** Returns the stored result of measureConfig, if any. */
export function keptConfig(path: string, log: PlantedLog, options: MeasureOptions): Trained | undefined {
  return readKept(keptFile(path, log.folder, 'measured', options)) as Trained | undefined;
}

/**
 * Measures training rows/s: the best epoch, since other programs only slow training down. Results are stored separately
 * from scores, which may come from a loaded machine.
 */
export async function measureSpeed(path: string, log: PlantedLog, options: MeasureOptions): Promise<number> {
  const file = keptFile(path, dirname(log.folder), 'speed', options);
  const runDir = join(log.folder, 'runs', `speed-${basename(file, '.json')}`);
  let rowsPerSecond = 0;
  const overrides = [...(options.set ?? []), `training.epochs=${SPEED_EPOCHS}`, ...dataOf(log)];
  await trainConfig(
    path,
    overrides,
    runDir,
    options.threads,
    (at) => (rowsPerSecond = Math.max(rowsPerSecond, at.rowsPerSecond)),
  );
  await keep(file, rowsPerSecond);
  rmSync(runDir, { recursive: true, force: true });
  return rowsPerSecond;
}

/** Returns the stored result of measureSpeed, if any. */
export function keptSpeed(path: string, log: PlantedLog, options: MeasureOptions): number | undefined {
  return readKept(keptFile(path, dirname(log.folder), 'speed', options)) as number | undefined;
}

function dataOf(log: PlantedLog): readonly string[] {
  return [
    `data.cache=${join(log.folder, '.mtl')}`,
    ...Object.entries(log.files).map(([split, file]) => `data.${split}=${file}`),
  ];
}

interface EpochEnd {
  readonly epoch: number;
  readonly numWeights: number;
  readonly rowsPerSecond: number;
}

async function trainConfig(
  path: string,
  overrides: readonly string[],
  runDir: string,
  threads: number | undefined,
  onEpoch: (at: EpochEnd) => void,
) {
  const loaded = await loadConfig(path, overrides.map(parseOverride));
  rmSync(runDir, { recursive: true, force: true });
  const ignore = (): undefined => undefined;
  let numWeights = 0;
  return train(
    loaded,
    { device: 'cpu', threads, runDir, overrides, signal: new AbortController().signal },
    {
      onWarning: ignore,
      onRead: ignore,
      onStep: ignore,
      onStart: (start) => (numWeights = start.numWeights + start.numTableWeights),
      onValidation: ({ isEpochEnd, epoch, rows, elapsedMs }) => {
        if (isEpochEnd) onEpoch({ epoch, numWeights, rowsPerSecond: (1000 * rows) / elapsedMs });
      },
    },
  );
}

/** Comments in a config do not affect training, so the name ignores them. */
function keptFile(path: string, folder: string, kind: string, { seed, set = [] }: MeasureOptions): string {
  const key = createHash('sha256')
    .update(JSON.stringify([parse(readFileSync(path, 'utf8')), set]))
    .digest('hex')
    .slice(0, 12);
  return join(folder, kind, `${basename(path, '.yaml')}-${seed}-${key}.json`);
}

function readKept(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

async function keep(file: string, value: unknown): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  await writeFileAtomic(file, `${JSON.stringify(value, null, 1)}\n`);
}
