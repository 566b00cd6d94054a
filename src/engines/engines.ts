import { availableParallelism } from 'node:os';
import { UserError, userError } from '../core/errors.js';
import type { Device } from './device.js';
import type { ProcessGroup } from '../core/process-group.js';
import type { Engine } from './engine.js';
import { findInstalledGpu } from './installed-gpu.js';
import type { Precision } from './precision.js';
import type { Gpu, NoGpu } from './webgpu/adapter.js';

/** Options of an engine. */
export interface EngineOptions {
  readonly device: Device;
  /** CPU worker threads; default: one per core. Results are identical. */
  readonly threads?: number | undefined;
  /** Uses only instructions with identical results on every machine. */
  readonly portable?: boolean | undefined;
  /** Processes of a distributed training; unsupported on a GPU. */
  readonly peers?: ProcessGroup | undefined;
}

/**
 * Creates the engine for a device, and loads its libraries. `auto` is the CPU as long as no GPU was measured
 * (docs/how-to/train-faster.md).
 * @param precision of the matrix products of steps
 * @param nameGpu names a GPU of this machine, which the engine's line mentions if `auto` leaves it unused
 * @throws UserError (usage) if the device is absent, (config) if it lacks the precision
 */
export async function createEngine(
  { peers, ...options }: EngineOptions,
  precision: Precision = 'f32',
  nameGpu = findInstalledGpu,
): Promise<Engine> {
  const isShared = peers !== undefined && peers.size > 1;
  // Several processes cannot use a GPU, so none is mentioned to them.
  const engine = await findEngine(options, isShared ? () => undefined : nameGpu);
  if (!engine.precisions.includes(precision))
    throw userError('config', {
      key: 'training.precision',
      message:
        `${precision} is not supported by ` +
        `${engine.description}${engine.lacks?.[precision] === undefined ? '' : ` (${engine.lacks[precision]})`}`,
      fix: `use ${engine.precisions.join(' or ')}, or another --device`,
    });
  if (isShared && !engine.takesPeers)
    throw userError('usage', {
      where: `--device ${options.device}`,
      message: `training with ${peers.size} processes is not supported on ${engine.description}`,
      fix: 'use --device cpu, or a single process',
    });
  return engine;
}

/**
 * Runs `work` with the engine of `createEngine`, whose threads start in the meantime; ends threads that no program
 * used.
 * @throws errors of `createEngine` and of the work
 */
export async function withEngine<Result>(
  options: EngineOptions,
  precision: Precision,
  work: (engine: Engine) => Promise<Result>,
): Promise<Result> {
  const engine = await createEngine(options, precision);
  const endAhead = engine.startAhead?.();
  try {
    return await work(engine);
  } finally {
    endAhead?.();
  }
}

async function findEngine(
  { device, threads = availableParallelism(), portable: isPortable = false }: EngineOptions,
  nameGpu: () => string | undefined,
): Promise<Engine> {
  switch (device) {
    case 'webgpu':
      return webGpu(device);
    case 'cuda':
      return cuda();
    case 'gpu':
      return anyGpu();
    case 'auto': {
      const engine = await cpu(threads, isPortable);
      const gpu = nameGpu();
      return gpu === undefined ? engine : { ...engine, hint: `GPU found: ${gpu}; use --device gpu` };
    }
    case 'cpu':
      return cpu(threads, isPortable);
  }
}

async function cpu(threads: number, isPortable: boolean): Promise<Engine> {
  const { createCpuEngine } = await import('./cpu/engine.js');
  return createCpuEngine(threads, !isPortable);
}

async function cuda(): Promise<Engine> {
  const [{ createGpuEngine }, { cpuHosts }] = await Promise.all([import('./tfjs/engine.js'), import('./cpu/host.js')]);
  return (await createGpuEngine(cpuHosts, true))!; // which it is, or throws
}

/** Opens the WebGPU device, unless it is a software adapter and these are not allowed. */
async function findGpu(): Promise<Gpu | NoGpu> {
  const { allowsSoftware, openGpu, softwareOnly } = await import('./webgpu/adapter.js');
  const found = await openGpu();
  return 'device' in found && found.about.isSoftware && !allowsSoftware() ? softwareOnly(found.about) : found;
}

async function webGpu(device: Device): Promise<Engine> {
  const found = await findGpu();
  if ('reason' in found)
    throw userError('usage', { where: `--device ${device}`, message: found.reason, fix: found.fix });
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
