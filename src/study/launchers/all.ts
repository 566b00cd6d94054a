export { local } from './local.js';
export { slurm } from './slurm.js';
export { kubernetes } from './kubernetes.js';
export { ray } from './ray.js';
export { command } from './command.js';
