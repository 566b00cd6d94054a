import { buildMpiAddon } from '../cluster/addon.js';
import type { HealthCheck } from './health.js';
import { MTL } from '../system/command-name.js';

/** Checks whether the MPI addon for distributed training can be built. */
export const mpi: HealthCheck = {
  name: 'MPI',
  look() {
    const builds = (compiler: string): boolean => 'path' in buildMpiAddon([compiler]);
    const found = NAMED.filter(builds);
    const built = found.length > 0 ? found : [PLAIN].filter(builds);
    if (built.length > 0)
      return {
        state: 'ok',
        message: `addon built with ${built.join(' and ')}, for distributed training (mpirun -n N ${MTL} train)`,
      };
    const all = buildMpiAddon([...NAMED, PLAIN]);
    return {
      state: 'without',
      message: `no MPI addon (${'reason' in all ? all.reason : ''}); training in one process needs none`,
      fix: 'install Open MPI or MPICH with its compiler (Debian: libopenmpi-dev openmpi-bin, or libmpich-dev mpich)',
    };
  },
};

/** Compiler names of Debian, and the usual one. */
const NAMED = ['mpicc.openmpi', 'mpicc.mpich'];
const PLAIN = 'mpicc';
