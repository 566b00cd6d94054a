/**
 * Which hardware a run asks for: a CPU; a GPU by WebGPU or by CUDA, whichever there is and never a CPU; one of these two; or whatever is thought
 * to be the fastest, by rules that a clock has no part in.
 */
export const DEVICES = ['auto', 'cpu', 'gpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];
