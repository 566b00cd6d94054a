import { availableParallelism } from 'node:os';
import type { Device } from './device.js';
import type { Engine } from './engine.js';

/** What a run computes with. */
export interface EngineOptions {
  readonly device: Device;
  /** Workers that share a step on a CPU; undefined takes one a core. */
  readonly threads?: number | undefined;
  /** Keeps to instructions whose results are the same on every machine. */
  readonly isPortable?: boolean | undefined;
}

/**
 * The engine for a device: TensorFlow.js on a GPU, WebAssembly on a CPU. Libraries are loaded here and not before.
 * @throws UserError (usage) for `gpu` where there is none
 */
export async function createEngine({ device, threads = availableParallelism(), isPortable = false }: EngineOptions): Promise<Engine> {
  if (device !== 'cpu') {
    const { createGpuEngine } = await import('./tfjs/engine.js');
    const engine = await createGpuEngine(device === 'gpu');
    if (engine !== undefined) return engine;
  }
  const { createSimdEngine } = await import('./simd/engine.js');
  return createSimdEngine(threads, !isPortable);
}
