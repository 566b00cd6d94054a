import { userError } from '../core/errors.js';

/** The processes that a launcher started together, according to their environment. */
export interface Job {
  /** Name of the launcher, for messages. */
  readonly launcher: string;
  readonly rank: number;
  readonly size: number;
  /** Number of its processes on this machine. */
  readonly onMachine: number;
  /** Compiler wrappers of the launcher's MPI, the most likely first. */
  readonly compilers: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const OPEN_MPI = ['mpicc.openmpi', 'mpicc'];
const MPICH = ['mpicc.mpich', 'mpicc'];

/**
 * Finds the job of this process: of Open MPI's or MPICH's mpirun, or of Slurm's srun.
 * @returns undefined for a process that was started alone
 * @throws UserError (usage) if srun started several processes without a shared MPI, or PMIx omits their number
 */
export function findJob(environment: Environment): Job | undefined {
  const number = (name: string): number => Number(environment[name] ?? NaN);
  const job = (launcher: string, rank: string, size: number, compilers: readonly string[]): Job | undefined => {
    const given = environment[COMPILER];
    const onMachine =
      ['OMPI_COMM_WORLD_LOCAL_SIZE', 'MPI_LOCALNRANKS', 'SLURM_NTASKS_PER_NODE']
        .map(number)
        .find((count) => count > 0) ?? 1;
    return size > 1
      ? { launcher, rank: number(rank), size, onMachine, compilers: given ? [given] : compilers }
      : undefined;
  };
  if ('OMPI_COMM_WORLD_SIZE' in environment)
    return job("Open MPI's mpirun", 'OMPI_COMM_WORLD_RANK', number('OMPI_COMM_WORLD_SIZE'), OPEN_MPI);
  if ('PMI_SIZE' in environment) return job('PMI', 'PMI_RANK', number('PMI_SIZE'), MPICH);
  const tasks = number('SLURM_STEP_NUM_TASKS');
  if ('PMIX_RANK' in environment) {
    if (Number.isNaN(tasks))
      throw userError('usage', {
        where: 'PMIX_RANK',
        message: `is ${environment['PMIX_RANK']}, but the number of processes is unknown`,
        fix:
          'start the processes with mpirun of Open MPI or MPICH or with srun, or unset PMIX_RANK for a single ' +
          'process',
      });
    return job('PMIx', 'PMIX_RANK', tasks, OPEN_MPI);
  }
  if (tasks > 1) {
    throw userError('usage', {
      where: 'srun',
      message: `started ${tasks} tasks without a shared MPI`,
      fix: 'set the MPI type, for example srun --mpi=pmix or --mpi=pmi2 (srun --mpi=list prints the available types)',
    });
  }
  return undefined;
}

/** Environment variable with the compiler wrapper of the launcher's MPI. */
export const COMPILER = 'MTL_MPICC';
