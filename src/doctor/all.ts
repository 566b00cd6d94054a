export { node } from './node.js';
export { cores } from './cores.js';
export { kernels } from './kernels.js';
export { webgpu } from './webgpu.js';
export { cuda } from './cuda.js';
export { runs } from './runs.js';
export { mpi } from './mpi.js';
