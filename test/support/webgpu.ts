import type { Engine, Program } from '../../src/engines/engine.js';
import { openGpu, type Gpu } from '../../src/engines/webgpu/adapter.js';
import type { GpuWatch } from '../../src/engines/webgpu/executor.js';
import { createWebGpuEngine } from '../../src/engines/webgpu/engine.js';

const found = await openGpu();
/** A device of WebGPU, where there is one: Debian's mesa-vulkan-drivers has one for every processor. */
export const gpu: Gpu | undefined = 'device' in found ? found : undefined;
/** Why there is none. */
export const noGpu: string | undefined = 'device' in found ? undefined : found.reason;
if (noGpu !== undefined) console.log(`tests on WebGPU are skipped: ${noGpu}`);

/** The engine on that device, whose programs' states can be read at once: tests do so after each step. */
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

/** That engine where there is one, for lists of engines that a battery runs on. */
export const webGpuEngines: readonly (readonly ['webgpu', () => Promise<Engine>])[] =
  gpu === undefined ? [] : [['webgpu', () => Promise.resolve(createTestEngine())]];
