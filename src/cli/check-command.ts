import { check, type CheckOptions } from '../check.js';
import { EXIT_CODES } from '../core/errors.js';
import { dataReport } from './data-report.js';
import { bytes, count, sizeLines } from './format.js';
import { createOutput } from './output.js';

export interface CheckArguments extends Pick<CheckOptions, 'path' | 'set' | 'sampleRows' | 'device' | 'threads'> {
  readonly json: boolean;
}

/** Runs `mtl check` and prints what it found. Returns the exit code. */
export async function runCheck({ json, ...options }: CheckArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  const { experiment, data, isCut, step, disk } = await check({ ...options, onWarning: warn });
  screen.print(dataReport(data, screen));
  if (isCut)
    screen.print(
      screen.dim(
        `  from a sample of about ${count(options.sampleRows)} rows per split, spread evenly over its files; ` +
          'vocabularies, tables and memory grow with all rows; mtl data info reads all rows',
      ),
    );
  screen.print(`\n${sizeLines({ model: experiment.model.name, engine: step.engine, ...step.size })}`);
  screen.print(
    `disk    ${bytes(disk.checkpointBytes)} per checkpoint, at most ${bytes(disk.mostBytes)} in total; ` +
      (Number.isFinite(disk.freeBytes) ? `${bytes(disk.freeBytes)} free` : 'free space unknown'),
  );
  if (disk.mostBytes > disk.freeBytes)
    warn(
      'too little disk space for the checkpoints of this run; free some, or set runs to a directory on another disk',
    );
  const losses = Object.entries(step.loss.losses).map(([term, loss]) => `${term} ${loss.toFixed(4)}`);
  screen.print(
    `step    forward and backward pass on ${count(step.rows)} rows: ` +
      `loss ${step.loss.total.toFixed(4)} (${losses.join(', ')})`,
  );
  const constant = findConstantLabels(data);
  for (const text of constant) warn(text);
  const numWarnings = data.warnings.length + constant.length;
  const found =
    numWarnings === 0
      ? 'no problems found'
      : `no errors; ${count(numWarnings)} warning${numWarnings === 1 ? '' : 's'} above`;
  screen.print(`${found}; nothing written; train with: mtl train ${options.path}`);
  const { splits, fields, warnings } = data;
  result({ path: options.path, isCut, splits, fields, warnings, ...step, disk });
  return EXIT_CODES.done;
}

/** Describes the tasks that no model can be measured on: those without a labeled row, or with a single class. */
function findConstantLabels({ splits }: Awaited<ReturnType<typeof check>>['data']): readonly string[] {
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
