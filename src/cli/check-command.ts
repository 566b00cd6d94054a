import { check, type CheckOptions } from '../check.js';
import { EXIT_CODES } from '../core/errors.js';
import { dataReport } from './data-report.js';
import { bytes, count, sizeLines } from './format.js';
import { createOutput } from './output.js';

/** The arguments of `mtl check`. */
export interface CheckArguments extends Pick<CheckOptions, 'path' | 'set' | 'sampleRows' | 'device' | 'threads'> {
  readonly json: boolean;
}

/** `mtl check`: looks, prints what it found, and gives the exit code. */
export async function runCheck({ json, ...options }: CheckArguments): Promise<number> {
  const { screen, notice, result } = createOutput(json);
  const { experiment, data, isCut, step, room } = await check({ ...options, onWarning: notice });
  screen.print(dataReport(data, screen));
  if (isCut)
    screen.print(
      screen.dim(
        `  of a sample of about ${count(options.sampleRows)} rows of each split, evenly over its files: vocabularies, tables and memory grow with the others; mtl data info reads all`,
      ),
    );
  screen.print(`\n${sizeLines({ model: experiment.model.name, engine: step.engine, ...step.size })}`);
  screen.print(
    `disk    checkpoints take ${bytes(room.checkpointBytes)} each, ${bytes(room.mostBytes)} together; ${Number.isFinite(room.freeBytes) ? `${bytes(room.freeBytes)} are free` : 'how much is free is not known'}`,
  );
  if (room.mostBytes > room.freeBytes)
    notice('the disk is too small for the checkpoints of this run: make room, or name another folder with runs');
  screen.print(
    `step    forward and back on ${count(step.rows)} rows: loss ${step.loss.total.toFixed(4)} (${Object.entries(
      step.loss.losses,
    )
      .map(([term, loss]) => `${term} ${loss.toFixed(4)}`)
      .join(', ')})`,
  );
  for (const task of aloneOf(data)) notice(task);
  screen.print(`nothing was written; ${options.path} trains: mtl train ${options.path}`);
  const { splits, fields, warnings } = data;
  result({ path: options.path, isCut, splits, fields, warnings, ...step, room });
  return EXIT_CODES.done;
}

/** Tasks that no model can learn: all of their rows are of one class. */
function aloneOf({ splits }: Awaited<ReturnType<typeof check>>['data']): readonly string[] {
  return splits.flatMap(({ split, tasks }) =>
    Object.entries(tasks).flatMap(([task, { rows, mean }]) => {
      if (rows === 0) return [`${split} has no row of ${task}`];
      return mean === 0 || mean === 1
        ? [
            `every label of ${task} is ${mean} on ${split}: nothing can be ${split === 'train' ? 'learned' : 'measured'} there`,
          ]
        : [];
    }),
  );
}
