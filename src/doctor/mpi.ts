import { buildMpiAddon } from '../cluster/addon.js';
import type { HealthCheck } from './health.js';

/** Whether one model can be trained by several processes: whether what they exchange through can be built. */
export const mpi: HealthCheck = {
  name: 'MPI',
  look() {
    const builds = (compiler: string): boolean => 'path' in buildMpiAddon([compiler]);
    const named = NAMED.filter(builds);
    const built = named.length > 0 ? named : [PLAIN].filter(builds);
    if (built.length > 0)
      return {
        state: 'ok',
        message: `an addon by ${built.join(' and ')}, for one model that several processes train (mpirun -n N mtl train)`,
      };
    const all = buildMpiAddon([...NAMED, PLAIN]);
    return {
      state: 'without',
      message: `no addon for MPI (${'reason' in all ? all.reason : ''}); one process trains without it`,
      fix: 'install Open MPI or MPICH with its compiler (Debian: libopenmpi-dev openmpi-bin, or libmpich-dev mpich)',
    };
  },
};

/** Debian's names, and everybody's. */
const NAMED = ['mpicc.openmpi', 'mpicc.mpich'];
const PLAIN = 'mpicc';
