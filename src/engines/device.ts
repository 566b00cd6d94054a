/** Hardware for a run. `gpu` is a GPU by WebGPU or CUDA, never a CPU; `auto` is the CPU until a GPU was measured. */
export const DEVICES = ['auto', 'cpu', 'gpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];
