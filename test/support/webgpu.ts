import type { Engine, Program } from '../../src/engines/engine.js';
import { openGpu, type Gpu } from '../../src/engines/webgpu/adapter.js';
import type { GpuWatch } from '../../src/engines/webgpu/executor.js';
import { createWebGpuEngine } from '../../src/engines/webgpu/engine.js';

const found = await openGpu();
/** A WebGPU device, if any: Debian's mesa-vulkan-drivers provides one for every processor. */
export const gpu: Gpu | undefined = 'device' in found ? found : undefined;
/** The reason if there is none. */
export const noGpu: string | undefined = 'device' in found ? undefined : found.reason;
if (noGpu !== undefined) console.log(`tests on WebGPU are skipped: ${noGpu}`);

/** The engine on that device; tests read program states after each step. */
export function createTestEngine(on = gpu!, watch: GpuWatch = {}): Engine {
  const engine = createWebGpuEngine(on, watch);
  return { ...engine, compile: (plan, onWarning) => readingBack(engine.compile(plan, onWarning)) };
}

function readingBack(program: Program): Program {
  const reads = async <Result>(work: Promise<Result>): Promise<Result> => {
    const result = await work;
    await program.readBack!();
    return result;
  };
  return {
    ...program,
    trainStep: (batch, settings) => reads(program.trainStep(batch, settings)),
    averaged: (work) => reads(program.averaged(work)),
  };
}

/** That engine, if available, for tests that run on several engines. */
export const webGpuEngines: readonly (readonly ['webgpu', () => Promise<Engine>])[] =
  gpu === undefined ? [] : [['webgpu', () => Promise.resolve(createTestEngine())]];
