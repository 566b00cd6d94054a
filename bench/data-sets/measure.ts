import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import type { Report } from '../../src/evaluation/evaluation.js';
import { init } from '../../src/init.js';
import { train } from '../../src/train.js';
import type { DataSet } from './sets.js';

const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';

/** In the order of the table's columns. */
export const METHODS = ['init', 'best', 'lightgbm', 'lightgbm-stopped', 'catboost'] as const;
export type Method = (typeof METHODS)[number];

export function isMethod(name: string): name is Method {
  return (METHODS as readonly string[]).includes(name);
}

/** Returns the methods that can be measured on a data set: `best` requires a config of its own. */
export function methodsOf({ name }: DataSet): readonly Method[] {
  return METHODS.filter((method) => method !== 'best' || existsSync(bestConfig(name)));
}

/** Returns the path of the best config of a data set. */
export function bestConfig(name: string): string {
  return join(import.meta.dirname, 'best', `${name}.yaml`);
}

export interface Scores {
  /** On the test rows, by label column. */
  readonly metrics: Readonly<Record<string, { readonly auc: number; readonly logLoss: number }>>;
  /** Of training and evaluation, in all threads. */
  readonly cpuSeconds: number;
}

export interface MeasureOptions {
  /** Directory of the extracted files and of results. */
  readonly folder: string;
  readonly method: Method;
  readonly seed: number;
  readonly threads: number | undefined;
  /** Overrides of the configs, as with `--set`. */
  readonly set: readonly string[];
}

/** Extracts data sets that are not extracted yet to train.csv, valid.csv and test.csv. */
export function extractSets(folder: string, sets: readonly DataSet[]): void {
  runPython('extract.py', [folder, ...sets.map(({ name }) => name)]);
}

/** Trains and measures, or returns the stored result for the same config, overrides and seed. */
export async function measure(set: DataSet, options: MeasureOptions): Promise<Scores> {
  const config = await configOf(set, options);
  const kept = keptScores(set, options);
  if (kept !== undefined) return kept;
  const { folder, method, seed, threads = 1 } = options;
  const scores =
    config === undefined
      ? (JSON.parse(runPython('trees.py', [folder, set.name, method, String(seed), String(threads)])) as Scores)
      : await trainConfig(set, config, options);
  const file = keptFile(set, options);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, JSON.stringify(scores, null, 1));
  return scores;
}

/** Returns the stored result of measure, if any. */
export function keptScores(set: DataSet, options: MeasureOptions): Scores | undefined {
  const file = keptFile(set, options);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Scores) : undefined;
}

function runPython(script: string, args: readonly string[]): string {
  return execFileSync(PYTHON, ['-W', 'ignore', join(import.meta.dirname, script), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Returns the config to train; undefined for trees. */
async function configOf(set: DataSet, { folder, method }: MeasureOptions): Promise<string | undefined> {
  if (method === 'best') return bestConfig(set.name);
  return method === 'init' ? proposeConfig(set, folder) : undefined;
}

/** Writes the config that `mtl init` proposes for the extracted files of a data set, and returns its path. */
export async function proposeConfig({ name, labels }: DataSet, folder: string): Promise<string> {
  const at = (file: string): string => join(folder, name, file);
  const { config } = await init({
    data: at('train.csv'),
    valid: at('valid.csv'),
    test: at('test.csv'),
    model: undefined,
    labels,
    out: at('init.yaml'),
    force: true,
  });
  return config;
}

async function trainConfig(set: DataSet, config: string, { folder, seed, threads, set: changes }: MeasureOptions) {
  const home = join(folder, set.name);
  const overrides = [
    ...changes,
    `seed=${seed}`,
    `data.cache=${join(folder, 'cache')}`,
    ...['train', 'valid', 'test'].map((split) => `data.${split}=${join(home, `${split}.csv`)}`),
  ];
  const loaded = await loadConfig(config, overrides.map(parseOverride));
  const runDir = join(home, `run-${process.pid}`);
  const ignore = (): undefined => undefined;
  const begin = process.cpuUsage();
  const { metrics } = await train(
    loaded,
    { device: 'cpu', threads, runDir, overrides, signal: new AbortController().signal },
    { onWarning: ignore, onRead: ignore, onStep: ignore, onStart: ignore, onValidation: ignore },
  );
  const { user, system } = process.cpuUsage(begin);
  rmSync(runDir, { recursive: true, force: true });
  return { metrics: scoresOf(set, config, metrics['test']!), cpuSeconds: (user + system) / 1e6 };
}

/** Returns the scores of each label over all rows: for a task after another, those of the product of both. */
function scoresOf({ labels }: DataSet, config: string, report: Report): Scores['metrics'] {
  const { tasks } = parse(readFileSync(config, 'utf8')) as {
    tasks: Readonly<Record<string, { readonly label: string; readonly given?: string }>>;
  };
  return Object.fromEntries(
    labels.map((label) => {
      const [task, { given }] = Object.entries(tasks).find(([, each]) => each.label === label)!;
      const { auc, logLoss } = report[given === undefined ? task : `ct${task}`]!;
      if (typeof auc !== 'number' || typeof logLoss !== 'number') throw new Error(`${task} was not measured`);
      return [label, { auc, logLoss }];
    }),
  );
}

function keptFile({ name }: DataSet, { folder, method, seed, set }: MeasureOptions): string {
  const results = join(folder, 'results', name);
  if (method !== 'init' && method !== 'best') return join(results, `${method}-${seed}.json`);
  const config = method === 'best' ? bestConfig(name) : join(folder, name, 'init.yaml');
  const content = existsSync(config) ? (parse(readFileSync(config, 'utf8')) as unknown) : undefined;
  const key = createHash('sha256')
    .update(JSON.stringify([content, set]))
    .digest('hex')
    .slice(0, 12);
  return join(results, `config-${seed}-${key}.json`);
}
