/// <reference types="@webgpu/types" />
import { userError } from '../../core/errors.js';
import { WORD } from '../compile/arena.js';

const PACKAGE = 'webgpu';
/** Set to 1, it lets a run take an adapter that computes on a processor: for tests. */
export const ALLOW_SOFTWARE = 'MTL_WEBGPU_SOFTWARE';
/** Passes on to Dawn what the variable says, as in `backend=null`: for measurements. */
const DAWN_OPTIONS = 'MTL_WEBGPU_DAWN';

/** A device that is ready to compute, and what it is. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly instance: GPU;
  readonly about: AboutGpu;
  readonly usage: typeof GPUBufferUsage;
  /** The layout that all pipelines share. */
  readonly layout: { readonly group: GPUBindGroupLayout; readonly pipeline: GPUPipelineLayout };
  /** Of one buffer that a shader reads. */
  readonly maxBufferBytes: number;
  /** Of a dispatch. */
  readonly mostGroups: number;
  /** Words between two windows of arguments. */
  readonly uniformWords: number;
  createBuffer(bytes: number, usage: number): GPUBuffer;
  /** The pipeline of a shader, which is made once. */
  pipeline(shader: string): GPUComputePipeline;
  /**
   * Runs what was encoded.
   * @throws UserError (device) where the device was lost or something that it was given is not valid, as far as is
   * known
   */
  submit(encoder: GPUCommandEncoder): void;
  /**
   * Waits for the staging buffer's first bytes.
   * @throws UserError (device)
   */
  read(staging: GPUBuffer, bytes: number, take: (words: Uint32Array) => void): Promise<void>;
}

/** What is known of an adapter. */
export interface AboutGpu {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  /** Whether it computes on a processor. */
  readonly isSoftware: boolean;
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
  readonly maxWorkgroupBytes: number;
  /** Whether its shaders know numbers in half precision. */
  readonly hasHalf: boolean;
}

/** Why there is no device, and what to do about it. */
export interface NoGpu {
  readonly reason: string;
  readonly fix: string;
}

/** What the package `webgpu` exports: Dawn. */
interface Dawn {
  create(options: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>> & {
    readonly GPUBufferUsage: typeof GPUBufferUsage;
    readonly GPUMapMode: typeof GPUMapMode;
  };
}

/** What a kernel needs of a device. */
const NEEDED = {
  maxStorageBuffersPerShaderStage: 5,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxUniformBufferBindingSize: 16_384,
} as const;

/** What may go wrong where a buffer or a pipeline is made, beside what is not valid. */
const MAKING: readonly GPUErrorFilter[] = ['out-of-memory', 'internal'];

/** What an adapter is asked for numbers in half precision by. */
export const HALF = 'shader-f16';

let found: Promise<Gpu | NoGpu> | undefined;

/** The device of this machine's fastest adapter, which a process opens once; or why there is none. */
export function openGpu(): Promise<Gpu | NoGpu> {
  return (found ??= createGpu());
}

/** What is said of an adapter that computes on a processor, which is slower than the CPU's own engine. */
export function softwareOnly({ name }: AboutGpu): NoGpu {
  return {
    reason: `the only WebGPU adapter, '${name}', runs on the CPU and is slower than --device cpu`,
    fix: `use --device cpu, or set ${ALLOW_SOFTWARE}=1 to use it anyway, for example in a test`,
  };
}

/** Whether software adapters are taken where one is asked for by name. */
export function allowsSoftware(): boolean {
  return process.env[ALLOW_SOFTWARE] === '1';
}

async function loadDawn(): Promise<Dawn | NoGpu> {
  // Not a literal, since the package is optional and may be absent when this is compiled.
  const name: string = PACKAGE;
  try {
    return (await import(name)) as Dawn;
  } catch (error) {
    return {
      reason: `the package ${PACKAGE} does not load (${firstLine(error)})`,
      fix: `run npm install ${PACKAGE}, or use --device cpu`,
    };
  }
}

/**
 * Another device of the same adapter, or why there is none.
 * @param more features that it has where its adapter has them
 */
export async function createGpu(more: readonly GPUFeatureName[] = []): Promise<Gpu | NoGpu> {
  const dawn = await loadDawn();
  if ('reason' in dawn) return dawn;
  try {
    return await openDevice(dawn, more);
  } catch (error) {
    // Drivers fail in ways of their own, and one that is not there for others either must not end what needs no GPU.
    return {
      reason: `WebGPU cannot open a device (${firstLine(error)})`,
      fix:
        `check nvidia-smi or vulkaninfo${process.env[DAWN_OPTIONS] === undefined ? '' : ` and ${DAWN_OPTIONS}`}, ` +
        'or use --device cpu',
    };
  }
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

async function openDevice(dawn: Dawn, more: readonly GPUFeatureName[]): Promise<Gpu | NoGpu> {
  const options = (process.env[DAWN_OPTIONS] ?? '').split(',').filter((option) => option !== '');
  const instance = dawn.create(options);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null)
    return {
      reason: 'WebGPU found no adapter: no GPU or no driver',
      fix: 'install the GPU driver with Vulkan (check with nvidia-smi or vulkaninfo), or use --device cpu',
    };
  for (const [limit, least] of Object.entries(NEEDED)) {
    const has = adapter.limits[limit as keyof typeof NEEDED];
    if (has < least)
      return {
        reason: `the adapter '${adapter.info.description}' has ${limit} ${has}, less than the required ${least}`,
        fix: 'use --device cpu',
      };
  }
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = adapter.limits;
  const hasHalf = adapter.features.has(HALF);
  const wanted: readonly GPUFeatureName[] = [HALF, ...more];
  const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
  return gpuOn(device, instance, dawn, {
    name: adapter.info.device,
    vendor: adapter.info.vendor,
    architecture: adapter.info.architecture,
    driver: adapter.info.description,
    isSoftware:
      adapter.info.isFallbackAdapter ||
      adapter.info.architecture === 'software' ||
      /llvmpipe|swiftshader|lavapipe/i.test(`${adapter.info.device} ${adapter.info.description}`),
    maxBufferBytes: maxBufferSize,
    maxBindingBytes: maxStorageBufferBindingSize,
    maxWorkgroupBytes: maxComputeWorkgroupStorageSize,
    hasHalf,
  });
}

function gpuOn(device: GPUDevice, instance: GPU, { globals }: Dawn, about: AboutGpu): Gpu {
  const usage = globals.GPUBufferUsage;
  const { READ } = globals.GPUMapMode;
  const COMPUTE = 4;
  const problems: Error[] = [];
  const note = (message: string): void => {
    if (problems.length > 0) return;
    problems.push(
      userError('device', {
        where: `WebGPU on ${about.name}`,
        message,
        fix: 'continue from the last checkpoint with --resume, or use --device cpu',
      }),
    );
  };
  const check = (): void => {
    for (const problem of problems) throw problem;
  };
  // Dawn's binding prints on stdout what no scope catches. What is not valid is caught at all times, and looked at with
  // each reading.
  const heed = (kind: GPUErrorFilter): void => device.pushErrorScope(kind);
  const look = async (): Promise<void> => {
    const error = await device.popErrorScope();
    if (error !== null) note(error.message);
  };
  /** Makes what may find no memory, or a driver that fails: both are found out by themselves. */
  const making = <Made>(make: () => Made): Made => {
    for (const kind of MAKING) heed(kind);
    try {
      return make();
    } finally {
      // A device that is lost answers nothing, and tells so itself.
      for (let i = 0; i < MAKING.length; i++) look().catch(() => undefined);
    }
  };
  heed('validation');
  device.addEventListener('uncapturederror', (event) => note(event.error.message));
  void device.lost.then(({ message, reason }) => reason === 'destroyed' || note(`the device was lost: ${message}`));
  const storage = (binding: number, type: GPUBufferBindingType): GPUBindGroupLayoutEntry => ({
    binding,
    visibility: COMPUTE,
    buffer: { type },
  });
  const group = device.createBindGroupLayout({
    entries: [
      storage(0, 'storage'),
      storage(1, 'storage'),
      storage(2, 'read-only-storage'),
      storage(3, 'storage'),
      storage(4, 'storage'),
      storage(5, 'uniform'),
    ],
  });
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [group] });
  const pipelines = new Map<string, GPUComputePipeline>();
  return {
    // Dawn ends with its instance, which nothing else would keep.
    device,
    instance,
    about,
    usage,
    layout: { group, pipeline: pipelineLayout },
    maxBufferBytes: Math.min(about.maxBufferBytes, about.maxBindingBytes),
    mostGroups: device.limits.maxComputeWorkgroupsPerDimension,
    uniformWords: device.limits.minUniformBufferOffsetAlignment / WORD,
    createBuffer: (bytes, bufferUsage) =>
      making(() => device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage: bufferUsage })),
    pipeline(shader) {
      let pipeline = pipelines.get(shader);
      if (pipeline === undefined) {
        pipeline = making(() =>
          device.createComputePipeline({
            layout: pipelineLayout,
            compute: { module: device.createShaderModule({ code: shader }) },
          }),
        );
        pipelines.set(shader, pipeline);
      }
      return pipeline;
    },
    submit(encoder) {
      check();
      device.queue.submit([encoder.finish()]);
    },
    async read(staging, bytes, take) {
      try {
        const mapped = staging.mapAsync(READ, 0, bytes);
        const looked = look();
        heed('validation');
        await Promise.all([mapped, looked]);
      } catch (error) {
        note(error instanceof Error ? error.message : String(error));
      }
      // What is not valid is told apart, and not later than what it was given to is done.
      check();
      take(new Uint32Array(staging.getMappedRange(0, bytes)));
      staging.unmap();
    },
  };
}
