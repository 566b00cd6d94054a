import { userError } from '../../core/errors.js';
import { bytes } from '../../text/number-text.js';
import type { Engine } from '../engine.js';
import { WORD } from '../compile/arena.js';
import { compile } from '../compile/compile.js';
import { activationBytes } from '../cpu/program.js';
import { HALF, type Gpu } from './adapter.js';
import type { GpuWatch } from './executor.js';
import { layOutDevice } from './memory.js';
import { compileProgram } from './program.js';

/**
 * The engine on a device of WebGPU.
 * @param watch told of what steps take, for measurements
 */
export function createWebGpuEngine(gpu: Gpu, watch: GpuWatch = {}): Engine {
  const { name, driver } = gpu.about;
  return {
    name: 'webgpu',
    description: `WebGPU on ${name}${driver === '' ? '' : ` (${driver})`}`,
    about: { ...gpu.about },
    compile: (plan, onWarning) => compileProgram(gpu, plan, { ...watch, onWarning }),
    activationBytes,
    // Tables lie in as many buffers as they need, and nobody says how much memory a device has.
    maxBytes: Infinity,
    takesPeers: false,
    precisions: gpu.about.hasHalf ? ['f32', 'f16'] : ['f32'],
    ...(!gpu.about.hasHalf && { lacks: { f16: `its adapter does not support ${HALF}` } }),
    refuseTooLarge(plan) {
      const mostWords = Math.floor(gpu.maxBufferBytes / WORD);
      const compiled = compile(plan);
      const widest = compiled.tables.all.find(({ stride }) => stride > mostWords);
      const { words } = widest === undefined ? layOutDevice(compiled, mostWords) : { words: 0 };
      if (widest === undefined && words <= mostWords) return;
      const has = `a buffer of ${name} holds at most ${size(mostWords)}`;
      if (widest !== undefined)
        throw userError('data', {
          key: 'features',
          message: `a row of table '${widest.name}' with its optimizer state requires ${size(widest.stride)}, but ${has}`,
          fix: 'reduce the width, or use --device cpu',
        });
      throw userError('data', {
        key: 'training.batchSize',
        message:
          `weights, gradients and a batch of ${compiled.passRows} rows require ${size(words)} besides the ` +
          `tables, but ${has}`,
        fix: 'use a smaller training.batchSize with training.accumulateBatches, a smaller model, or --device cpu',
      });
    },
  };
}

const size = (words: number): string => bytes(words * WORD);
