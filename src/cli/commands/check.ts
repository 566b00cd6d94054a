import type { CheckOptions, CheckResult, StreamCheckResult } from '../../check.js';
import { EXIT_CODES } from '../../core/errors.js';
import { MTL } from '../../system/command-name.js';
import { bytes, count, percent, sizeLines } from '../format.js';
import { createOutput } from '../output.js';
import { deviceOption, jsonOption, kernelsOption, setOption, threadsOption, intOption } from '../options.js';
import { defineCommand } from './command.js';

export const check = defineCommand({
  usage: 'check <config>',
  summary: 'Report every problem of a config and its data, and take one training step; writes nothing',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
      .option('set', setOption)
      .option('sample-rows', intOption('--sample-rows', 100_000, 'Approximate number of rows to sample per split'))
      .option('follow', {
        type: 'boolean',
        default: false,
        describe: 'Check data.train as a stream, as mtl train --follow reads it: the records that it has at present',
      })
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('json', jsonOption)
      .example('$0 check configs/esmm.yaml', ''),
  run: ({ config, set = [], sampleRows, follow, device, threads, json }) =>
    runCheck({ path: config, set, sampleRows, follow, device, threads, json }),
});

export interface CheckArguments extends Pick<CheckOptions, 'path' | 'set' | 'sampleRows' | 'device' | 'threads'> {
  /** Whether to check `data.train` as a stream. */
  readonly follow: boolean;
  readonly json: boolean;
}

/** Runs `mtl check` and prints what it found. Returns the exit code. */
export async function runCheck({ follow, ...options }: CheckArguments): Promise<number> {
  return follow ? runFollowCheck(options) : runFileCheck(options);
}

async function runFileCheck({ json, ...options }: Omit<CheckArguments, 'follow'>): Promise<number> {
  const [{ check: checkFiles }, { dataReport }] = await Promise.all([
    import('../../check.js'),
    import('../data-report.js'),
  ]);
  const { screen, warn, result } = createOutput(json);
  const { experiment, data, isCut, step, disk } = await checkFiles({ ...options, onWarning: warn });
  screen.print(dataReport(data, screen));
  if (isCut)
    screen.print(
      screen.dim(
        `  from a sample of about ${count(options.sampleRows)} rows per split, spread evenly over its files; ` +
          `vocabularies, tables and memory grow with all rows; ${MTL} data info reads all rows`,
      ),
    );
  for (const line of stepLines(experiment.model.name, { step, disk }, warn)) screen.print(line);
  const constant = findConstantLabels(data);
  for (const text of constant) warn(text);
  const numWarnings = data.warnings.length + constant.length;
  screen.print(`${summarize(numWarnings)}; nothing written; train with: ${MTL} train ${options.path}`);
  const { splits, fields, warnings } = data;
  result({ path: options.path, isCut, splits, fields, warnings, ...step, disk });
  return EXIT_CODES.done;
}

async function runFollowCheck({ json, path, set, device, threads }: Omit<CheckArguments, 'follow'>): Promise<number> {
  const [{ checkFollow }, { rejectNotices }] = await Promise.all([
    import('../../check.js'),
    import('../../data/rows/rejects.js'),
  ]);
  const { screen, warn, result } = createOutput(json);
  let numWarnings = 0;
  const onWarning = (text: string): void => {
    numWarnings++;
    warn(text);
  };
  const { experiment, stream, trained } = await checkFollow({ path, set, device, threads, onWarning });
  const { name, records, rejected, reasons, outOfOrder, late, changes } = stream;
  const share = rejected === 0 ? '' : ` (${percent(rejected / records)})`;
  screen.print(
    `stream  ${name}: ${count(records)} records at present, ${count(rejected)} invalid${share}, ` +
      `${count(outOfOrder)} out of order, ${count(late)} late`,
  );
  for (const notice of rejectNotices({ count: rejected, reasons: new Map(Object.entries(reasons)) }))
    screen.print(notice);
  for (const change of changes) onWarning(change);
  if (records === 0) onWarning(`${name} has no complete record yet, so its values were not checked`);
  else if (trained?.step.rows === 0) onWarning(`no step was taken: ${name} has no valid record`);
  if (trained !== undefined)
    for (const line of stepLines(experiment.model.name, trained, onWarning)) screen.print(line);
  screen.print(`${summarize(numWarnings)}; nothing written; train with: ${MTL} train ${path} --follow`);
  result({ path, stream, ...trained?.step, disk: trained?.disk });
  return EXIT_CODES.done;
}

/** Formats the size of a model, its disk space and a step. */
function* stepLines(
  model: string,
  { step, disk }: NonNullable<StreamCheckResult['trained']>,
  warn: (text: string) => void,
): Generator<string> {
  yield `\n${sizeLines({ model, engine: step.engine, ...step.size })}`;
  yield (
    `disk    ${bytes(disk.checkpointBytes)} per checkpoint, at most ${bytes(disk.mostBytes)} in total; ` +
    (Number.isFinite(disk.freeBytes) ? `${bytes(disk.freeBytes)} free` : 'free space unknown')
  );
  if (disk.mostBytes > disk.freeBytes)
    warn(
      'too little disk space for the checkpoints of this run; free some, or set runs to a directory on another disk',
    );
  if (step.rows === 0) return;
  const losses = Object.entries(step.loss.losses).map(([term, loss]) => `${term} ${loss.toFixed(4)}`);
  yield (
    `step    forward and backward pass on ${count(step.rows)} rows: ` +
    `loss ${step.loss.total.toFixed(4)} (${losses.join(', ')})`
  );
}

function summarize(numWarnings: number): string {
  return numWarnings === 0
    ? 'no problems found'
    : `no errors; ${count(numWarnings)} warning${numWarnings === 1 ? '' : 's'} above`;
}

/** Describes the tasks that no model can be measured on: those without a labeled row, or with a single class. */
function findConstantLabels({ splits }: CheckResult['data']): readonly string[] {
  // The description of the data warns about the training set.
  const measured = splits.filter(({ split }) => split !== 'train');
  return measured.flatMap(({ split, tasks }) =>
    Object.entries(tasks).flatMap(([task, { rows, mean }]) => {
      if (rows === 0) return [`${split} has no labeled row for ${task}`];
      return mean === 0 || mean === 1
        ? [`every label of ${task} in ${split} is ${mean}; a model cannot be measured on a single class`]
        : [];
    }),
  );
}
