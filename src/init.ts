import { parseConfig } from './config/load.js';
import type { Paths } from './data/options.js';
import { didYouMean, joined, userError } from './core/errors.js';
import { lookAt } from './init/column-kind.js';
import { chooseSplit } from './init/choose-split.js';
import { chooseTasks, yesRows, type ProposedTask } from './init/choose-tasks.js';
import { configText } from './init/config-text.js';
import { leaveOut } from './init/leave-out.js';
import { pathFrom, assertAbsent, schemaFor, writeConfig } from './init/output-path.js';
import { readColumns } from './init/read-columns.js';
import { writeSample } from './init/write-sample.js';
import { esmm } from './models/esmm.js';
import { mmoe } from './models/mmoe.js';
import { models } from './models/models.js';
import { sharedBottom } from './models/shared-bottom.js';

/** What a config is made of. */
export interface InitOptions {
  /** undefined writes the sample, too. */
  readonly data: Paths | undefined;
  readonly valid: Paths | undefined;
  readonly test: Paths | undefined;
  /** undefined takes one that fits the tasks. */
  readonly model: string | undefined;
  /** Columns that are labels; none where they are to be found. */
  readonly labels: readonly string[];
  /** The file to write; undefined names it after the model. */
  readonly out: string | undefined;
  /** Whether what is there is replaced. */
  readonly force: boolean;
}

/** What was written. */
export interface InitResult {
  readonly config: string;
  readonly files: readonly string[];
  /** That were looked at, and whether there are more. */
  readonly rows: { readonly count: number; readonly isCut: boolean } | undefined;
  readonly tasks: readonly ProposedTask[];
  /** Columns that are left out, with the reason. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/**
 * Writes a config that trains: for data of the user's, or for the sample, which is then written beside it.
 * @throws UserError (usage) where a file is in the way, or nothing is found to predict; (data) for what cannot be read
 * or holds nothing to learn from
 */
export async function init({ data, valid, test, model, labels, out, force }: InitOptions): Promise<InitResult> {
  if (model !== undefined && !(models.names as readonly string[]).includes(model))
    throw userError('usage', {
      where: `--model ${model}`,
      message: joined(`expected one of ${models.names.join(', ')}`, didYouMean(model, models.names)),
    });
  if (data === undefined) {
    const other = Object.entries({ valid, test, label: labels.length === 0 ? undefined : labels }).find(
      ([, given]) => given !== undefined,
    );
    if (other !== undefined)
      throw userError('usage', {
        where: `--${other[0]}`,
        message: 'is for data of your own',
        fix: 'name the rows to train on, as in --data train.csv',
      });
    const [config, ...others] = await writeSample(model ?? esmm.name, out ?? `${model ?? esmm.name}.yaml`, force);
    return { config: config!, files: [config!, ...others], rows: undefined, tasks: [], leftOut: {} };
  }

  const rows = await readColumns(data);
  const columns = rows.columns.map(lookAt);
  const tasks = chooseTasks(columns, labels);
  const isLabel = (name: string): boolean => tasks.some(({ column }) => column === name);
  const leftOut = leaveOut(
    columns,
    new Map(columns.filter(({ column }) => isLabel(column.name)).map((label) => [label.column.name, yesRows(label)])),
  );
  if (columns.every(({ column: { name } }) => isLabel(name) || leftOut.has(name))) {
    const reasons = [...leftOut].map(([name, why]) => `${name} is left out: ${why}`);
    throw userError('data', {
      where: [data].flat().join(', '),
      message: ['found no column that something can be learned from', ...reasons].join('; '),
      fix: 'give it more rows, or more columns',
    });
  }
  const chosen = model ?? modelFor(tasks);
  const config = out ?? `${chosen}.yaml`;
  assertAbsent(config, force);
  const from = (paths: Paths): Paths =>
    typeof paths === 'string'
      ? pathFrom(config, paths)
      : paths.length === 1
        ? pathFrom(config, paths[0]!)
        : paths.map((path) => pathFrom(config, path));
  const text = configText({
    schema: schemaFor(config),
    train: from(data),
    valid: valid && from(valid),
    test: test && from(test),
    split: valid === undefined && test === undefined ? chooseSplit(columns) : undefined,
    rows: rows.count,
    isCut: rows.isCut,
    columns,
    tasks,
    leftOut,
    model: chosen,
  });
  // What is wrong with it is told before it is there.
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

/** One that takes such tasks: a chain of them is learned over all rows. */
function modelFor(tasks: readonly ProposedTask[]): string {
  if (tasks.length === 1) return sharedBottom.name;
  return tasks.filter(({ given }) => given === undefined).length === 1 ? esmm.name : mmoe.name;
}
