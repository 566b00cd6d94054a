export { node } from './node.js';
export { cores } from './cores.js';
export { kernels } from './kernels.js';
export { gpu } from './gpu.js';
export { runs } from './runs.js';
export { mpi } from './mpi.js';
