import { parseConfig } from './config/load.js';
import type { Paths } from './data/options.js';
import { didYouMean, joined, userError, type UserError } from './core/errors.js';
import { inspectColumn, type InspectedColumn } from './init/column-kind.js';
import { chooseSplit } from './init/choose-split.js';
import { chooseTasks, type ProposedTask } from './init/choose-tasks.js';
import { configText } from './init/config-text.js';
import { excludeColumns } from './init/leave-out.js';
import { findCrosses } from './init/find-crosses.js';
import { findCurves } from './init/find-curves.js';
import { markEvents, type Marks } from './init/outcomes.js';
import { getRelativePath, assertAbsent, getSchemaPath, writeConfig } from './init/output-path.js';
import { readColumns } from './init/read-columns.js';
import { writeSample } from './init/write-sample.js';
import { esmm } from './models/esmm.js';
import { models } from './models/models.js';
import { chooseInteractions } from './init/training-text.js';

export interface InitOptions {
  /** Training data; undefined also writes the sample. */
  readonly data: Paths | undefined;
  readonly valid: Paths | undefined;
  readonly test: Paths | undefined;
  /** Model name; undefined selects one that fits the tasks. */
  readonly model: string | undefined;
  /** Label columns; empty detects them by name. */
  readonly labels: readonly string[];
  /** Output file; undefined names it after the model. */
  readonly out: string | undefined;
  /** Whether to overwrite existing files. */
  readonly force: boolean;
}

export interface InitResult {
  readonly config: string;
  readonly files: readonly string[];
  /** Number of inspected rows, and whether there are more. */
  readonly rows: { readonly count: number; readonly isCut: boolean } | undefined;
  readonly tasks: readonly ProposedTask[];
  /** Excluded columns, with the reason. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/**
 * Writes a config that trains: for the user's data, or for the sample, which is written next to it.
 * @throws UserError (usage) if a file exists, no label is found, or test data comes without validation data; (data) if
 * data cannot be read or has no usable column
 */
export async function init(options: InitOptions): Promise<InitResult> {
  checkOptions(options);
  const { data, valid, test, model, labels, out, force } = options;
  if (data === undefined) {
    const [config, ...others] = await writeSample(model ?? esmm.name, out ?? `${model ?? esmm.name}.yaml`, force);
    return { config: config!, files: [config!, ...others], rows: undefined, tasks: [], leftOut: {} };
  }
  const rows = await readColumns(data);
  const columns = rows.columns.map(inspectColumn);
  const tasks = chooseTasks(columns, labels);
  const isLabel = (name: string): boolean => tasks.some(({ column }) => column === name);
  const marks = new Map(
    columns.filter(({ column }) => isLabel(column.name)).map((label) => [label.column.name, markEvents(label)]),
  );
  const leftOut = excludeColumns(columns, marks);
  const features = columns.filter(({ column: { name } }) => !isLabel(name) && !leftOut.has(name));
  if (features.length === 0) throw noFeatures(data, leftOut);
  const marksOf = (task: string | undefined): Marks | undefined =>
    marks.get(tasks.find(({ name }) => name === task)?.column ?? '');
  const outcomes = tasks.map(({ name, given }) => ({ marks: marksOf(name)!, given: marksOf(given) }));
  const chosen = model ?? selectModel(tasks, features);
  const config = out ?? `${chosen}.yaml`;
  assertAbsent(config, force);
  const from = (paths: Paths): Paths => {
    const [first, ...others] = [paths].flat().map((path) => getRelativePath(config, path)) as [string, ...string[]];
    return others.length === 0 ? first : [first, ...others];
  };
  const text = configText({
    schema: getSchemaPath(config),
    train: from(data),
    valid: valid && from(valid),
    test: test && from(test),
    split: valid === undefined ? chooseSplit(columns) : undefined,
    rows: rows.count,
    isCut: rows.isCut,
    columns,
    tasks,
    leftOut,
    crosses: await findCrosses(features, outcomes),
    curves: findCurves(features, outcomes),
    model: chosen,
  });
  // Report problems before anything is written.
  parseConfig(text, config);
  await writeConfig(config, text, force);
  return {
    config,
    files: [config],
    rows: { count: rows.count, isCut: rows.isCut },
    tasks,
    leftOut: Object.fromEntries(leftOut),
  };
}

/** @throws UserError (usage) for an unknown model, or for an option that requires another one */
function checkOptions({ data, valid, test, model, labels }: InitOptions): void {
  if (model !== undefined && !(models.names as readonly string[]).includes(model))
    throw userError('usage', {
      where: `--model ${model}`,
      message: joined(`expected one of ${models.names.join(', ')}`, didYouMean(model, models.names)),
    });
  const given = Object.entries({ valid, test, label: labels[0] }).find(([, value]) => value !== undefined);
  if (data === undefined && given !== undefined)
    throw userError('usage', {
      where: `--${given[0]}`,
      message: 'requires --data',
      fix: 'add training data, as in --data train.csv',
    });
  if (test !== undefined && valid === undefined)
    throw userError('usage', {
      where: '--test',
      message: 'requires --valid, since the validation set selects the epoch',
      fix: 'add validation data, as in --valid valid.csv',
    });
}

function noFeatures(data: Paths, leftOut: ReadonlyMap<string, string>): UserError {
  const reasons = [...leftOut].map(([name, reason]) => `${name} was excluded: ${reason}`);
  return userError('data', {
    where: [data].flat().join(', '),
    message: ['no usable feature column', ...reasons].join('; '),
    fix: 'use data with more rows or columns',
  });
}

/** Selects a model that supports the tasks: a funnel trains over all rows. */
function selectModel(tasks: readonly ProposedTask[], features: readonly InspectedColumn[]): string {
  const roots = tasks.filter(({ given }) => given === undefined);
  return tasks.length > 1 && roots.length === 1 ? esmm.name : chooseInteractions(features).name;
}
