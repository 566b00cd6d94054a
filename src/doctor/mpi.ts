import { buildMpiAddon } from '../cluster/addon.js';
import type { HealthCheck } from './health.js';

/** Whether one model can be trained by several processes: whether what they exchange through can be built. */
export const mpi: HealthCheck = {
  name: 'MPI',
  look() {
    const named = NAMED.flatMap((compiler) => ('path' in buildMpiAddon([compiler]) ? [compiler] : []));
    const plain = named.length > 0 ? { reason: '' } : buildMpiAddon([PLAIN]);
    const built = 'path' in plain ? [PLAIN] : named;
    if (built.length > 0) return { state: 'ok', message: `an addon by ${built.join(' and ')}, for one model that several processes train (mpirun -n N mtl train)` };
    return { state: 'without', message: `no addon for MPI (${'reason' in plain ? plain.reason : ''}); one process trains without it`, fix: 'install Open MPI or MPICH with its compiler (Debian: libopenmpi-dev openmpi-bin, or libmpich-dev mpich)' };
  },
};

/** Debian's names, and everybody's. */
const NAMED = ['mpicc.openmpi', 'mpicc.mpich'];
const PLAIN = 'mpicc';
