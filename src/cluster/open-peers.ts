import os from 'node:os';
import { quoted, userError } from '../core/errors.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { buildMpiAddon, openMpiAddon } from './addon.js';
import { COMPILER, findJob, type Job } from './job.js';
import { MpiGroup, type StartedMpi } from './mpi-group.js';

/** The processes of a job. */
export interface OpenPeers extends ProcessGroup {
  /** Maximum number of threads, if several processes share this machine; undefined: all cores. */
  readonly threads: number | undefined;
  /** Returns the bytes and messages that this process has sent to others. */
  sent(): { readonly bytes: number; readonly messages: number };
  /** Ends the group; every process must call it. A process that exits without it ends all others. */
  end(): void;
}

/** Environment variable with the seconds that a process waits for others within a step. */
const WAIT = 'MTL_MPI_WAIT';
const DEFAULT_WAIT_S = 600;

/**
 * Joins the processes that this one was started with. MPI is not loaded for a process that was started alone.
 * @throws UserError (usage) if MPI does not build, load or start, or is not the launcher's
 */
export function openPeers(environment: NodeJS.ProcessEnv = process.env): OpenPeers {
  const job = findJob(environment);
  if (job === undefined)
    return { ...SINGLE_PROCESS, threads: undefined, sent: () => ({ bytes: 0, messages: 0 }), end: () => undefined };
  return Object.assign(new MpiGroup(startMpi(job), readWait(environment)), { threads: countThreads(job) });
}

/** Returns a process's share of this machine's cores, unless the launcher has bound it to some. */
function countThreads({ onMachine }: Job): number | undefined {
  return os.availableParallelism() < os.cpus().length
    ? undefined
    : Math.max(1, Math.floor(os.cpus().length / onMachine));
}

function readWait(environment: NodeJS.ProcessEnv): number {
  const seconds = Number(environment[WAIT] ?? DEFAULT_WAIT_S);
  if (seconds > 0) return seconds;
  throw userError('usage', {
    where: WAIT,
    message: `expected a positive number of seconds, found ${quoted(environment[WAIT])}`,
  });
}

/**
 * Disables the hooks that Open MPI and UCX patch into `munmap` and similar functions while Node's other threads call
 * them, which sometimes crashes a process. Only networks with registered memory would benefit from the hooks.
 */
const UNHOOKED: Readonly<Record<string, string>> = {
  OMPI_MCA_memory: '^patcher',
  UCX_MEM_EVENTS: 'n',
  UCX_MEM_MMAP_HOOK_MODE: 'none',
};

function startMpi({ launcher, size, compilers }: Job): StartedMpi {
  const where = `${size} processes of ${launcher}`;
  const fix =
    'install the compiler wrapper of the launching MPI (Debian: libopenmpi-dev or libmpich-dev), or set ' +
    `${COMPILER}=/path/to/mpicc`;
  const built = buildMpiAddon(compilers);
  if ('reason' in built)
    throw userError('usage', { where, message: `cannot build the MPI addon: ${built.reason}`, fix });
  for (const [name, value] of Object.entries(UNHOOKED)) process.env[name] ??= value;
  try {
    const addon = openMpiAddon(built.path);
    const [rank, found, library] = addon.start();
    if (found === size) return { addon, rank, size };
    throw userError('usage', {
      where,
      message:
        `${library.split(/[,\n]/)[0]!.replace(/\s+/g, ' ').trim()} finds only ${found} of them, so it is not the ` +
        'MPI that launched them',
      fix,
    });
  } catch (error) {
    if (!(error instanceof Error) || 'kind' in error) throw error;
    throw userError('usage', { where, message: `cannot use MPI: ${error.message}`, fix }, error);
  }
}
