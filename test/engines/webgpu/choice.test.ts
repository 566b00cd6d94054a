import { beforeEach, describe, expect, it, vi } from 'vitest';
import { healthOf } from '../../../src/doctor/webgpu.js';
import type { Device } from '../../../src/engines/device.js';
import { engineLine } from '../../../src/engines/engine.js';
import { createEngine, GPU_ROWS, type Steps } from '../../../src/engines/engines.js';
import { ALLOW_SOFTWARE, createGpu, type AboutGpu } from '../../../src/engines/webgpu/adapter.js';
import { UserError } from '../../../src/errors.js';
import { gpu } from '../../support/webgpu.js';

const refusal = async (device: Device, steps?: Steps): Promise<UserError> => {
  const error = await createEngine({ device, threads: 1 }, steps).then(() => undefined, (caught: unknown) => caught);
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
};
const allow = (value: string): void => void vi.stubEnv(ALLOW_SOFTWARE, value);
beforeEach(() => allow('1'));

describe('the choice of an engine', () => {
  it('looks for no GPU where steps are small or nothing is trained, and says so', async () => {
    const [small, none] = [await createEngine({ device: 'auto', threads: 1 }, { rows: GPU_ROWS - 1 }), await createEngine({ device: 'auto', threads: 1 })];
    expect(engineLine(small)).toMatch(/^WebAssembly .* \(no GPU is looked for: steps of 8191 rows, and from 8192 on it pays\)$/);
    expect(engineLine(none)).toMatch(/ \(no GPU is looked for where nothing is trained\)$/);
    expect(engineLine(await createEngine({ device: 'cpu', threads: 1 }, { rows: GPU_ROWS }))).not.toContain('GPU');
  });
});

describe.skipIf(gpu?.about.isSoftware !== true)('an adapter that computes on a processor', () => {
  it('is never taken by auto, whatever is allowed', async () => {
    const engine = await createEngine({ device: 'auto', threads: 1 }, { rows: GPU_ROWS });
    expect([engine.name, engineLine(engine)]).toEqual(['simd', expect.stringMatching(/\(no GPU: '.*' of WebGPU computes on the CPU\)$/)]);
  });

  it('is taken by name where that is allowed, and refused with the cure elsewhere', async () => {
    expect((await createEngine({ device: 'webgpu' })).name).toBe('webgpu');
    expect((await createEngine({ device: 'gpu' })).name).toBe('webgpu');
    allow('');
    const error = await refusal('webgpu');
    expect([error.exitCode, error.message]).toEqual([2, expect.stringMatching(/^--device webgpu: the only adapter .* computes on the CPU, slower than --device cpu; use --device cpu, or set MTL_WEBGPU_SOFTWARE=1/)]);
  });

  it('refuses a precision that it has not, and the CPU none', async () => {
    const { exitCode, problems } = await refusal('webgpu', { rows: 8, precision: 'bf16' });
    expect(exitCode).toBe(2);
    expect(problems).toEqual([{ key: 'training.precision', message: expect.stringMatching(/^products in bf16 are not what WebGPU on .* has; it has f32(, f16)?$/) as string, fix: 'take one of these, or another --device' }]);
    expect((await createEngine({ device: 'cpu', threads: 1 }, { rows: 8, precision: 'bf16' })).name).toBe('simd');
  });

  it('is no GPU: where there is none by CUDA either, both are told', async () => {
    allow('');
    const { message } = await refusal('gpu');
    expect(message).toMatch(/^--device gpu: the only adapter .*\n--device cuda: /);
  });

  it('is named in the records, with its driver and its limits', async () => {
    const { about } = await createEngine({ device: 'webgpu' });
    expect(about).toMatchObject({ name: gpu!.about.name, driver: expect.stringMatching(/./) as string, isSoftware: true, maxBufferBytes: expect.any(Number) as number, maxBindingBytes: expect.any(Number) as number });
  });
});

describe('the doctor', () => {
  const about: AboutGpu = { name: 'H100', vendor: 'nvidia', architecture: 'hopper', driver: '550', isSoftware: false, maxBufferBytes: 2 ** 32, maxBindingBytes: 2 ** 31, maxWorkgroupBytes: 2 ** 15, hasHalf: true };
  it('tells which GPU there is for WebGPU, and what is missing', () => {
    expect(healthOf({ about })).toEqual({ state: 'ok', message: 'H100, 550, buffers of 2048 MiB (--device webgpu)' });
    expect(healthOf({ about: { ...about, isSoftware: true } })).toMatchObject({ state: 'without', message: expect.stringContaining('computes on the CPU') as string });
    expect(healthOf({ reason: 'no adapter', fix: 'install one' })).toEqual({ state: 'without', message: 'no adapter; everything works on the CPU without it', fix: 'install one' });
  });

  it.skipIf(gpu === undefined)('tells what a driver fails with', async () => {
    vi.stubEnv('MTL_WEBGPU_DAWN', 'backend=nosuch');
    expect(await createGpu()).toEqual({ reason: "WebGPU opens no device (unrecognised backend 'nosuch')", fix: 'see what nvidia-smi or vulkaninfo says and whether MTL_WEBGPU_DAWN is meant, or use --device cpu' });
  });
});
