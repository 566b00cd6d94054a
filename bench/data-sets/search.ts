import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { applyOverrides, parseOverride, type Override } from '../../src/config/overrides.js';
import { listSettings, type Study } from '../../src/study/study.js';
import { sweep } from '../../src/sweep.js';
import { train } from '../../src/train.js';
import { bestConfig, proposeConfig } from './measure.js';
import type { DataSet } from './sets.js';

/** The share of trials, best first, that are trained again, and the seeds, which the study does not use. */
const FINAL_SHARE = 1 / 8;
const FINAL_SEEDS = [11, 12];
/** The average of weights that the best of them is also trained with, unless all are. */
const EMA = 'training.ema.decay=0.999';

export interface SearchOptions {
  /** Directory of the extracted files and of studies. */
  readonly folder: string;
  readonly threads: number | undefined;
  /** Overrides of the study file. */
  readonly set: readonly string[];
}

interface StudyFile {
  readonly set: Readonly<Record<string, unknown>>;
  readonly space: Readonly<Record<string, unknown>>;
}

interface Finalist {
  readonly name: string;
  /** Settings as for `--set`, without the seed. */
  readonly settings: readonly string[];
  /** Mean validation log loss over the final seeds and labels. */
  readonly loss: number;
}

/**
 * Searches the best config of a data set on its validation set, starting from the config that `mtl init` proposes, and
 * writes it. Resumes an interrupted study; measures nothing on the test set.
 * @returns the proposal and the best trials, trained with other seeds than the study's; the lowest loss first
 */
export async function searchBest(set: DataSet, options: SearchOptions): Promise<readonly Finalist[]> {
  const { folder, threads, set: changes } = options;
  const proposal = await proposeConfig(set, folder);
  const config: unknown = parse(readFileSync(proposal, 'utf8'));
  const file = join(folder, set.name, 'study.yaml');
  writeFileSync(file, stringify(fillStudy(set, config)));
  process.env['MTL_RUNS'] = join(folder, 'runs');
  const { study, board } = await sweep(
    file,
    { overrides: changes.map(parseOverride), device: 'cpu', threads, signal: new AbortController().signal },
    { onStart: () => undefined, onTrial: () => undefined, onLook: () => undefined },
  );
  const measureCandidate = async (name: string, settings: readonly string[]): Promise<Finalist> => {
    const losses: number[] = [];
    for (const seed of FINAL_SEEDS) losses.push(await validate(proposal, [...settings, `seed=${seed}`], options));
    return { name, settings, loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length };
  };
  const finalists = [
    await measureCandidate('proposal', ['data.test=null', `training.monitor=${study.options.metric}`]),
  ];
  const numFinalists = Math.ceil(FINAL_SHARE * study.numTrials);
  for (const { number, point } of board.filter(({ state }) => state === 'finished').slice(0, numFinalists))
    finalists.push(await measureCandidate(`trial ${number}`, listSettings(study, point)));
  finalists.sort((a, b) => a.loss - b.loss);
  const [{ name, settings }] = finalists as [Finalist, ...Finalist[]];
  if (!hasEma(config)) finalists.push(await measureCandidate(`${name} with EMA`, [...settings, EMA]));
  finalists.sort((a, b) => a.loss - b.loss);
  writeBest(set, study, config, finalists);
  return finalists;
}

/** Returns whether a proposed config averages the weights. */
function hasEma(config: unknown): boolean {
  return (config as { readonly training: { readonly ema?: object } }).training.ema !== undefined;
}

/** Trains a config, and returns its monitored value on the validation set. */
async function validate(config: string, settings: readonly string[], { folder, threads }: SearchOptions) {
  const runDir = join(folder, `run-${process.pid}`);
  const ignore = (): undefined => undefined;
  const { monitored } = await train(
    await loadConfig(config, settings.map(parseOverride)),
    { device: 'cpu', threads, runDir, baseline: false, overrides: settings, signal: new AbortController().signal },
    { onWarning: ignore, onRead: ignore, onStep: ignore, onStart: ignore, onValidation: ignore },
  );
  rmSync(runDir, { recursive: true, force: true });
  if (monitored === null) throw new Error(`${config} was not measured on the validation set`);
  return monitored;
}

/** Returns the study of a data set: the common one, with the keys of its proposed config. */
function fillStudy({ name, labels }: DataSet, config: unknown): object {
  const common = parse(readFileSync(join(import.meta.dirname, 'study.yaml'), 'utf8')) as StudyFile;
  const { model, tasks } = config as {
    readonly model: { readonly bottom?: object };
    readonly tasks: Readonly<Record<string, { readonly label: string; readonly given?: string }>>;
  };
  const outputs = Object.entries(tasks)
    .filter(([, { label }]) => labels.includes(label))
    .map(([task, { given }]) => (given === undefined ? task : `ct${task}`));
  const isFunnel = model.bottom !== undefined;
  const kept = Object.entries(model.bottom ?? model).filter(([key]) => key !== 'rank');
  const paths = listPaths(config);
  const expand = (key: string): readonly string[] => {
    const full = key.replace(/^bottom\b/, isFunnel ? 'model.bottom' : 'model');
    if (!full.includes('*')) return [full];
    const pattern = new RegExp(`^${full.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`);
    return paths.filter((path) => pattern.test(path));
  };
  return {
    ...common,
    name,
    config: 'init.yaml',
    metric: outputs.length === 1 ? `${outputs[0]}.logLoss` : meanOf(outputs.map((output) => `${output}.logLoss`)),
    set: { 'data.test': null, ...common.set },
    space: Object.fromEntries(
      Object.entries(common.space).flatMap(([key, domain]) => {
        const { linkedKeys = [], ...rest } = (Array.isArray(domain) ? { type: 'choices', values: domain } : domain) as {
          readonly values?: readonly unknown[];
          readonly linkedKeys?: readonly string[];
        };
        const [first, ...others] = new Set([key, ...linkedKeys].flatMap(expand));
        if (first === undefined) return [];
        const values =
          key === 'bottom'
            ? rest.values!.map((value) => ({ ...Object.fromEntries(kept), ...(value as object) }))
            : rest.values;
        return [[first, { ...rest, ...(values !== undefined && { values }), linkedKeys: others }]];
      }),
    ),
  };
}

const meanOf = (metrics: readonly string[]): string =>
  metrics.map((metric) => `${1 / metrics.length}*${metric}`).join(' + ');

/** Lists the paths of all keys of a config, such as `features.ids.width`. */
function listPaths(node: unknown, path: readonly string[] = []): readonly string[] {
  const own = path.length === 0 ? [] : [path.join('.')];
  if (node === null || typeof node !== 'object' || Array.isArray(node)) return own;
  return [...own, ...Object.entries(node).flatMap(([key, value]) => listPaths(value, [...path, key]))];
}

/** Writes the config with the lowest loss, with the losses of all finalists. */
function writeBest(set: DataSet, { options }: Study, config: unknown, finalists: readonly Finalist[]): void {
  const overrides: readonly Override[] = finalists[0]!.settings
    .filter((setting) => !setting.startsWith('data.test='))
    .map(parseOverride);
  const best = applyOverrides(config, [...overrides, parseOverride('$schema=null')]);
  const losses = finalists.map(({ name, loss }) => `${name} ${loss.toFixed(5)}`).join(', ');
  const head = [
    `Best config of ${set.name} on its validation set, written by`,
    `npm run bench -- search --only ${set.name} --set trials=${options.trials}`,
    `Validation log loss, mean of seeds ${FINAL_SEEDS.join(' and ')}: ${losses}`,
  ];
  const file = bestConfig(set.name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `${head.map((line) => `# ${line}\n`).join('')}\n${stringify(best, { lineWidth: 120 })}`);
}
