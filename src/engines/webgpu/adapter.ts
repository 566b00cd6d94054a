/// <reference types="@webgpu/types" />
import { pathToFileURL } from 'node:url';
import { userError } from '../../core/errors.js';
import { WORD } from '../compile/buffers.js';
import { DAWN_PACKAGE, resolveDawn } from './dawn-package.js';
import { MTL } from '../../system/command-name.js';

/** If set to 1, runs may use an adapter that computes on the CPU: for tests. */
export const ALLOW_SOFTWARE = 'MTL_WEBGPU_SOFTWARE';
/** Options of Dawn, such as `backend=null`: for measurements. */
const DAWN_OPTIONS = 'MTL_WEBGPU_DAWN';

export interface Gpu {
  readonly device: GPUDevice;
  readonly instance: GPU;
  readonly about: AboutGpu;
  readonly usage: typeof GPUBufferUsage;
  /** The layout that all pipelines share. */
  readonly layout: { readonly group: GPUBindGroupLayout; readonly pipeline: GPUPipelineLayout };
  /** Maximum bytes of a buffer that a shader reads. */
  readonly maxBufferBytes: number;
  /** Maximum workgroups of a dispatch, per dimension. */
  readonly maxGroups: number;
  /** Words between two windows of arguments. */
  readonly uniformWords: number;
  createBuffer(bytes: number, usage: number): GPUBuffer;
  /** Returns the pipeline of a shader, which is created once. */
  pipeline(shader: string): GPUComputePipeline;
  /**
   * Submits the commands of an encoder.
   * @throws UserError (device) if the device is known to be lost, or to have received something invalid
   */
  submit(encoder: GPUCommandEncoder): void;
  /**
   * Waits for the staging buffer's first bytes.
   * @throws UserError (device)
   */
  read(staging: GPUBuffer, bytes: number, take: (words: Uint32Array) => void): Promise<void>;
}

/** Properties of an adapter. */
export interface AboutGpu {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  /** Whether it computes on the CPU. */
  readonly isSoftware: boolean;
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
  readonly maxWorkgroupBytes: number;
  /** Whether its shaders support half precision. */
  readonly hasHalf: boolean;
}

/** Why there is no device, and the fix. */
export interface NoGpu {
  readonly reason: string;
  readonly fix: string;
}

/** Exports of the package `webgpu`: Dawn. */
interface Dawn {
  create(options: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>> & {
    readonly GPUBufferUsage: typeof GPUBufferUsage;
    readonly GPUMapMode: typeof GPUMapMode;
  };
}

/** Limits that kernels require. */
const NEEDED = {
  maxStorageBuffersPerShaderStage: 5,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxUniformBufferBindingSize: 16_384,
} as const;

/** Errors of creating a buffer or a pipeline, besides invalid arguments. */
const CREATION_ERRORS: readonly GPUErrorFilter[] = ['out-of-memory', 'internal'];

/** The feature of an adapter with half precision. */
export const HALF = 'shader-f16';

let found: Promise<Gpu | NoGpu> | undefined;

/** Opens the device of this machine's fastest adapter, once per process; or returns why there is none. */
export function openGpu(): Promise<Gpu | NoGpu> {
  return (found ??= createGpu());
}

/** Returns why an adapter that computes on the CPU is rejected: the CPU engine is faster. */
export function softwareOnly({ name }: AboutGpu): NoGpu {
  return {
    reason: `the only WebGPU adapter, '${name}', runs on the CPU and is slower than --device cpu`,
    fix: `use --device cpu, or set ${ALLOW_SOFTWARE}=1 to use it anyway, for example in a test`,
  };
}

/** Returns whether software adapters are accepted if one is requested by name. */
export function allowsSoftware(): boolean {
  return process.env[ALLOW_SOFTWARE] === '1';
}

async function loadDawn(): Promise<Dawn | NoGpu> {
  const fix = `run ${MTL} setup webgpu, or use --device cpu`;
  let entry: string;
  try {
    entry = resolveDawn();
  } catch {
    return { reason: `the package ${DAWN_PACKAGE} is not installed`, fix };
  }
  try {
    return (await import(pathToFileURL(entry).href)) as Dawn;
  } catch (error) {
    return { reason: `the package ${DAWN_PACKAGE} does not load (${firstLine(error)})`, fix };
  }
}

/**
 * Opens another device of the same adapter, or returns why there is none.
 * @param more features to enable if the adapter has them
 */
export async function createGpu(more: readonly GPUFeatureName[] = []): Promise<Gpu | NoGpu> {
  const dawn = await loadDawn();
  if ('reason' in dawn) return dawn;
  try {
    return await openDevice(dawn, more);
  } catch (error) {
    // A failing driver must not end commands that require no GPU.
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

/** Notes the first error of a device, and throws it from then on. */
interface ErrorWatch {
  note(message: string): void;
  /** @throws UserError (device) */
  check(): void;
  /** Creates an object; errors of memory or of the driver are noted when they arrive. */
  create<Made>(make: () => Made): Made;
  /** Resolves once errors of invalid arguments so far are noted. */
  sync(): Promise<void>;
}

/**
 * Dawn's binding prints errors to stdout unless a scope catches them. A scope for invalid arguments is always open, and
 * is checked with each read.
 */
function watchErrors(device: GPUDevice, name: string): ErrorWatch {
  const problems: Error[] = [];
  const note = (message: string): void => {
    if (problems.length > 0) return;
    problems.push(
      userError('device', {
        where: `WebGPU on ${name}`,
        message,
        fix: 'continue from the last checkpoint with --resume, or use --device cpu',
      }),
    );
  };
  const popScope = async (): Promise<void> => {
    const error = await device.popErrorScope();
    if (error !== null) note(error.message);
  };
  device.pushErrorScope('validation');
  device.addEventListener('uncapturederror', (event) => note(event.error.message));
  void device.lost.then(({ message, reason }) => reason === 'destroyed' || note(`the device was lost: ${message}`));
  return {
    note,
    check() {
      for (const problem of problems) throw problem;
    },
    create(make) {
      for (const kind of CREATION_ERRORS) device.pushErrorScope(kind);
      try {
        return make();
      } finally {
        // A lost device does not answer; `device.lost` reports it.
        for (let i = 0; i < CREATION_ERRORS.length; i++) popScope().catch(() => undefined);
      }
    },
    sync() {
      const popped = popScope();
      device.pushErrorScope('validation');
      return popped;
    },
  };
}

/** Creates the layout that all pipelines share. */
function createLayout(device: GPUDevice): Gpu['layout'] {
  const COMPUTE = 4;
  const types = ['storage', 'storage', 'read-only-storage', 'storage', 'storage', 'uniform'] as const;
  const group = device.createBindGroupLayout({
    entries: types.map((type, binding) => ({ binding, visibility: COMPUTE, buffer: { type } })),
  });
  return { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group] }) };
}

function gpuOn(device: GPUDevice, instance: GPU, { globals }: Dawn, about: AboutGpu): Gpu {
  const { READ } = globals.GPUMapMode;
  const errors = watchErrors(device, about.name);
  const layout = createLayout(device);
  const pipelines = new Map<string, GPUComputePipeline>();
  const createPipeline = (code: string): GPUComputePipeline =>
    device.createComputePipeline({
      layout: layout.pipeline,
      compute: { module: device.createShaderModule({ code }) },
    });
  return {
    // Dawn ends when its instance is collected.
    device,
    instance,
    about,
    usage: globals.GPUBufferUsage,
    layout,
    maxBufferBytes: Math.min(about.maxBufferBytes, about.maxBindingBytes),
    maxGroups: device.limits.maxComputeWorkgroupsPerDimension,
    uniformWords: device.limits.minUniformBufferOffsetAlignment / WORD,
    createBuffer: (bytes, usage) =>
      errors.create(() => device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage })),
    pipeline(shader) {
      const known = pipelines.get(shader);
      if (known !== undefined) return known;
      const pipeline = errors.create(() => createPipeline(shader));
      pipelines.set(shader, pipeline);
      return pipeline;
    },
    submit(encoder) {
      errors.check();
      device.queue.submit([encoder.finish()]);
    },
    async read(staging, bytes, take) {
      try {
        await Promise.all([staging.mapAsync(READ, 0, bytes), errors.sync()]);
      } catch (error) {
        errors.note(error instanceof Error ? error.message : String(error));
      }
      // Errors of invalid arguments arrive no later than the results.
      errors.check();
      take(new Uint32Array(staging.getMappedRange(0, bytes)));
      staging.unmap();
    },
  };
}
