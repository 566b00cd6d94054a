import { spawn, spawnSync } from 'node:child_process';
import { describe, type TestContext } from 'vitest';
import type { Finished } from './mtl.js';

/** An MPI implementation and its launcher, with Debian's names. */
export interface Mpi {
  readonly name: string;
  readonly compiler: string;
  readonly launcher: string;
  readonly options: readonly string[];
  /** Debian package. */
  readonly of: string;
}

/** Allows more ranks than cores and lets them share cores. */
export const OPEN_MPI: Mpi = {
  name: 'Open MPI',
  compiler: 'mpicc.openmpi',
  launcher: 'mpirun.openmpi',
  options: ['--oversubscribe', '--bind-to', 'none'],
  of: 'openmpi-bin libopenmpi-dev',
};
export const MPICH: Mpi = {
  name: 'MPICH',
  compiler: 'mpicc.mpich',
  launcher: 'mpirun.mpich',
  options: [],
  of: 'mpich libmpich-dev',
};

/** Defines tests of each MPI; those of the second one have the tag nightly. */
export function describeEachMpi(title: string, timeout: number, define: (mpi: Mpi) => void): void {
  for (const mpi of [OPEN_MPI, MPICH])
    describe(`${title} ${mpi.name}`, { timeout, tags: mpi === MPICH ? ['nightly'] : [] }, () => define(mpi));
}

/** Skips a test, with the reason, if an MPI is missing. */
export function needsMpi({ skip }: Pick<TestContext, 'skip'>, { name, compiler, launcher, of }: Mpi): void {
  const missing = [compiler, launcher].filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status !== 0,
  );
  if (missing.length > 0) skip(`no ${name}: there is no ${missing.join(', ')}: apt-get install ${of}`);
}

/** Open MPI requires two variables to run as root; loopback is enough on one machine. */
export const MPI_ENVIRONMENT = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_btl: 'self,sm',
};

/** Runs node in a directory with a number of ranks. */
export function mpirun(
  { launcher, options }: Mpi,
  processes: number,
  cwd: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const child = spawn(launcher, [...options, '-n', String(processes), process.execPath, ...args], {
    cwd,
    env: { ...process.env, ...MPI_ENVIRONMENT, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
