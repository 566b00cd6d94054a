import { availableParallelism } from 'node:os';
import { UserError, userError } from '../errors.js';
import type { Device } from './device.js';
import type { Peers } from '../peers.js';
import type { Engine } from './engine.js';
import type { Precision } from './precision.js';
import type { Gpu, NoGpu } from './webgpu/adapter.js';

/** What a run computes with. */
export interface EngineOptions {
  readonly device: Device;
  /** Workers that share a step on a CPU; undefined takes one a core. */
  readonly threads?: number | undefined;
  /** Keeps to instructions whose results are the same on every machine. */
  readonly isPortable?: boolean | undefined;
  /** The processes that take steps together with this one, which a GPU does not. */
  readonly peers?: Peers | undefined;
}

/**
 * Rows of a step from which `auto` takes a GPU: by arithmetic (docs/engines.md), some 25 to 45 dispatches and the way there and back take a GPU
 * half a millisecond whatever the rows are, in which a CPU has done some hundred or a thousand of them.
 */
export const GPU_ROWS = 8192;

/** Steps of a training. */
export interface Steps {
  readonly rows: number;
  /** Of their matrix products; f32 where it is left out. */
  readonly precision?: Precision;
}

/**
 * The engine for a device. Libraries are loaded here and not before.
 * @param steps of a training; none where nothing is trained, which a GPU is not taken for unasked
 * @throws UserError (usage) where what is asked for is not there, (config) where it has not the precision that is asked for
 */
export async function createEngine({ peers, ...options }: EngineOptions, steps?: Steps): Promise<Engine> {
  const isShared = peers !== undefined && peers.size > 1;
  const engine = await findEngine(isShared && options.device === 'auto' ? { ...options, device: 'cpu' } : options, steps);
  const precision = steps?.precision ?? 'f32';
  if (!engine.precisions.includes(precision)) throw userError('config', { key: 'training.precision', message: `products in ${precision} are not what ${engine.description} has${engine.lacks?.[precision] === undefined ? '' : ` (${engine.lacks[precision]})`}; it has ${engine.precisions.join(', ')}`, fix: 'take one of these, or another --device' });
  if (isShared && !engine.takesPeers) throw userError('usage', { where: `--device ${options.device}`, message: `${peers.size} processes cannot train one model on ${engine.description}`, fix: 'write --device cpu, or train with one process' });
  return engine;
}

/**
 * Works with the engine of `createEngine`, whose threads start while the work begins; ends those that the work takes no program for.
 * @throws what `createEngine` or the work throws
 */
export async function withEngine<Result>(options: EngineOptions, steps: Steps, work: (engine: Engine) => Promise<Result>): Promise<Result> {
  const engine = await createEngine(options, steps);
  const endAhead = engine.startAhead?.();
  try {
    return await work(engine);
  } finally {
    endAhead?.();
  }
}

async function findEngine({ device, threads = availableParallelism(), isPortable = false }: EngineOptions, steps: Steps | undefined): Promise<Engine> {
  switch (device) {
    case 'webgpu':
      return webGpu(device);
    case 'cuda':
      return cuda();
    case 'gpu':
      return anyGpu();
    case 'auto': {
      const found = await gpuForSteps(steps);
      if (!('why' in found)) return { ...found, why: `steps of ${GPU_ROWS} rows or more are a GPU's` };
      return { ...(await cpu(threads, isPortable)), why: found.why };
    }
    case 'cpu':
      return cpu(threads, isPortable);
  }
}

async function cpu(threads: number, isPortable: boolean): Promise<Engine> {
  const { createSimdEngine } = await import('./simd/engine.js');
  return createSimdEngine(threads, !isPortable);
}

async function cuda(): Promise<Engine> {
  const { createGpuEngine } = await import('./tfjs/engine.js');
  return (await createGpuEngine(true))!; // which it is, or throws
}

/** The device of WebGPU, unless it computes on a processor and nobody allowed that. */
async function findGpu(): Promise<Gpu | NoGpu> {
  const { allowsSoftware, openGpu, softwareOnly } = await import('./webgpu/adapter.js');
  const found = await openGpu();
  return 'device' in found && found.about.isSoftware && !allowsSoftware() ? softwareOnly(found.about) : found;
}

async function webGpu(device: Device): Promise<Engine> {
  const found = await findGpu();
  if ('reason' in found) throw userError('usage', { where: `--device ${device}`, message: found.reason, fix: found.fix });
  return engineOn(found);
}

async function engineOn(gpu: Gpu): Promise<Engine> {
  const { createWebGpuEngine } = await import('./webgpu/engine.js');
  return createWebGpuEngine(gpu);
}

async function anyGpu(): Promise<Engine> {
  const found = await findGpu();
  if (!('reason' in found)) return engineOn(found);
  try {
    return await cuda();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError('usage', [{ where: '--device gpu', message: found.reason, fix: found.fix }, ...error.problems]);
  }
}

/** The engine on a GPU for steps of so many rows, or why there is none. A CPU that plays a GPU is none. */
async function gpuForSteps(steps: Steps | undefined): Promise<Engine | { readonly why: string }> {
  if (steps === undefined) return { why: 'no GPU is looked for where nothing is trained' };
  if (steps.rows < GPU_ROWS) return { why: `no GPU is looked for: steps of ${steps.rows} rows, and from ${GPU_ROWS} on it pays` };
  const { openGpu } = await import('./webgpu/adapter.js');
  const found = await openGpu();
  if ('reason' in found) return { why: `no GPU: ${found.reason}` };
  if (found.about.isSoftware) return { why: `no GPU: '${found.about.name}' of WebGPU computes on the CPU` };
  const engine = await engineOn(found);
  const { precision = 'f32' } = steps;
  return engine.precisions.includes(precision) ? engine : { why: `${engine.description} has no products in ${precision}` };
}
