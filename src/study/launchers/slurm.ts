import { basename, join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../io/disk.js';
import { defineLauncher, makeWorkersFolder, quoteCommand, type Workers, type WorkersRequest } from './launcher.js';
import { readProgram, runProgram } from './run-program.js';

/** Seconds before the time limit at which Slurm signals a worker to save. */
const NOTICE_SECONDS = 120;

/** Slurm job array. Workers that are preempted or whose node fails are requeued and resume. */
export const slurm = defineLauncher({
  name: 'slurm',
  summary: 'Slurm job array, one worker per task, requeued after preemption',
  options: () => ({
    options: z
      .array(z.string().regex(/^-[^\n]*$/, "an option of sbatch, such as '--partition=cpu'"))
      .default([])
      .describe("sbatch options, as in ['--partition=cpu', '--cpus-per-task=4', '--time=8:00:00']"),
  }),
  isHere: false,
  build:
    ({ options }) =>
    (request) =>
      launch(request, options),
});

async function launch(request: WorkersRequest, options: readonly string[]): Promise<Workers> {
  const { study, count } = request;
  const logs = await makeWorkersFolder(study);
  const script = join(logs, 'slurm.sh');
  await writeFileAtomic(script, jobScript(request, options));
  const job = await readProgram(
    'sbatch',
    ['--parsable', script],
    'a job ID',
    (printed) => /^(\d+)(;\S+)?$/m.exec(printed)?.[1],
  );
  return {
    where: `${count} in Slurm job array ${job}; logs in ${join(logs, 'slurm-*.log')}`,
    // Slurm forgets completed jobs.
    areAlive: async () =>
      (await runProgram('squeue', ['--noheader', '--me', '--format=%A %F']))
        .split('\n')
        .some((line) => line.split(' ').includes(job)),
    async stop() {
      await runProgram('scancel', [job]);
    },
  };
}

/** Builds the job script. */
export function jobScript({ study, count, mtl, args }: WorkersRequest, options: readonly string[]): string {
  const directives = [
    `--job-name=mtl-${basename(study)}`,
    `--array=1-${count}`,
    '--requeue',
    '--open-mode=append',
    `--output=${join(study, 'workers', 'slurm-%a.log')}`,
    `--signal=B:TERM@${NOTICE_SECONDS}`,
    ...options,
  ];
  const header = directives.map((directive) => `#SBATCH ${directive}\n`).join('');
  // `exec` replaces the shell, so that the worker receives the signal.
  return `#!/bin/sh\n${header}exec ${quoteCommand([...mtl, ...args])}\n`;
}
