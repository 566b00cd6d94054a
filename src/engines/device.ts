/**
 * Hardware for a run: the CPU; a GPU by WebGPU or CUDA, whichever there is, never a CPU; one of these two; `auto` is
 * the CPU until a GPU was measured.
 */
export const DEVICES = ['auto', 'cpu', 'gpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];
