import { beforeEach, describe, expect, it, vi } from 'vitest';
import { describeHealth } from '../../../src/doctor/webgpu.js';
import type { Device } from '../../../src/engines/device.js';
import { engineLine } from '../../../src/engines/engine.js';
import { createEngine } from '../../../src/engines/engines.js';
import type { Precision } from '../../../src/engines/precision.js';
import { ALLOW_SOFTWARE, createGpu, type AboutGpu } from '../../../src/engines/webgpu/adapter.js';
import { UserError } from '../../../src/core/errors.js';
import { SINGLE_PROCESS } from '../../../src/core/process-group.js';
import { gpu } from '../../support/webgpu.js';

const refusal = async (device: Device, precision?: Precision): Promise<UserError> => {
  const error = await createEngine({ device, threads: 1 }, precision).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
};
const allow = (value: string): void => void vi.stubEnv(ALLOW_SOFTWARE, value);
beforeEach(() => allow('1'));

describe('the choice of an engine', () => {
  const lineOf = async (device: Device, name: string | undefined, size = 1): Promise<string> =>
    engineLine(await createEngine({ device, threads: 1, peers: { ...SINGLE_PROCESS, size } }, 'f32', () => name));

  it('is the CPU for auto, with a hint at the found GPU and its option', async () => {
    const cpu = await lineOf('cpu', 'NVIDIA H100');
    expect(cpu).toMatch(/^(native kernels for|WebAssembly SIMD).*, 1 thread$/);
    expect(await lineOf('auto', undefined)).toBe(cpu);
    expect(await lineOf('auto', 'NVIDIA H100')).toBe(`${cpu} (GPU found: NVIDIA H100; use --device gpu)`);
  });

  it('has no hint at a GPU for distributed training, which cannot use one', async () => {
    expect(await lineOf('auto', 'NVIDIA H100', 2)).toBe(await lineOf('cpu', undefined));
  });
});

describe.skipIf(gpu?.about.isSoftware !== true)('a software adapter', () => {
  it('is selected by name if allowed, otherwise rejected with the fix', async () => {
    expect((await createEngine({ device: 'webgpu' })).name).toBe('webgpu');
    expect((await createEngine({ device: 'gpu' })).name).toBe('webgpu');
    allow('');
    const error = await refusal('webgpu');
    expect([error.exitCode, error.message]).toEqual([
      2,
      expect.stringMatching(
        new RegExp(
          '^--device webgpu: the only WebGPU adapter, .*, runs on the CPU and is slower than --device cpu; ' +
            'use --device cpu, or set MTL_WEBGPU_SOFTWARE=1',
        ),
      ),
    ]);
  });

  it('rejects an unsupported precision, and the CPU supports all', async () => {
    const { exitCode, problems } = await refusal('webgpu', 'bf16');
    expect(exitCode).toBe(2);
    expect(problems).toEqual([
      {
        key: 'training.precision',
        message: expect.stringMatching(/^bf16 is not supported by WebGPU on /) as string,
        fix: expect.stringMatching(/^use f32( or f16)?, or another --device$/) as string,
      },
    ]);
    expect((await createEngine({ device: 'cpu', threads: 1 }, 'bf16')).name).toBe('simd');
  });

  it('is no GPU, and its error includes that of CUDA', async () => {
    allow('');
    const { message } = await refusal('gpu');
    expect(message).toMatch(/^--device gpu: the only WebGPU adapter, .*\n--device cuda: /);
  });

  it('is recorded with its driver and its limits', async () => {
    const { about } = await createEngine({ device: 'webgpu' });
    expect(about).toMatchObject({
      name: gpu!.about.name,
      driver: expect.stringMatching(/./) as string,
      isSoftware: true,
      maxBufferBytes: expect.any(Number) as number,
      maxBindingBytes: expect.any(Number) as number,
    });
  });
});

it('has a timeout of half an hour if it may compile pipelines', ({ task }) => {
  expect(task.timeout).toBe(1_800_000);
});

describe('the doctor', () => {
  const about: AboutGpu = {
    name: 'H100',
    vendor: 'nvidia',
    architecture: 'hopper',
    driver: '550',
    isSoftware: false,
    maxBufferBytes: 2 ** 32,
    maxBindingBytes: 2 ** 31,
    maxWorkgroupBytes: 2 ** 15,
    hasHalf: true,
  };
  it('reports the GPU for WebGPU, or what is missing', () => {
    expect(describeHealth({ about })).toEqual({
      state: 'ok',
      message: 'H100, 550, buffers of 2048 MiB (--device webgpu)',
    });
    expect(describeHealth({ about: { ...about, isSoftware: true } })).toMatchObject({
      state: 'without',
      message: expect.stringContaining('the only adapter is a software one on the CPU') as string,
    });
    expect(describeHealth({ reason: 'no adapter', fix: 'install one' })).toEqual({
      state: 'without',
      message: 'no adapter; optional: everything runs on the CPU',
      fix: 'install one',
    });
  });

  it.skipIf(gpu === undefined)('reports the error of a driver', async () => {
    vi.stubEnv('MTL_WEBGPU_DAWN', 'backend=nosuch');
    expect(await createGpu()).toEqual({
      reason: "WebGPU cannot open a device (unrecognised backend 'nosuch')",
      fix: 'check nvidia-smi or vulkaninfo and MTL_WEBGPU_DAWN, or use --device cpu',
    });
  });
});
