import { userError } from '../../core/errors.js';
import { bytes } from '../../text/number-text.js';
import { countWords, WORD, type Role } from '../compile/buffers.js';
import { compile } from '../compile/compile.js';
import type { Engine, Plan } from '../engine.js';
import { listDomains, MIN_ROWS } from '../compile/layout.js';
import { findLookups } from '../../graph/lookups.js';
import { HALF, type Gpu } from './adapter.js';
import type { GpuWatch } from './executor.js';
import { layOutDevice } from './memory.js';
import { compileProgram } from './program.js';
import { MAX_SEQUENCES } from './wgsl/prelude.js';

/** Weights, tables and optimizer state. */
const STATE: readonly Role[] = ['weights', 'optimizer', 'average', 'table'];

/** Returns the bytes of a plan's memory besides weights, tables and optimizer state. */
function activationBytes(plan: Plan): number {
  const { buffers, maxRowsOf } = compile(plan, { folds: false });
  const others = buffers.all.filter(({ role }) => !STATE.includes(role));
  return others.reduce((sum, buffer) => sum + countWords(buffer, maxRowsOf), 0) * WORD;
}

/** @throws UserError (config) for a plan with more sequences than a window has words for */
function refuseManySequences({ graph }: Plan): void {
  const count = listDomains(graph, findLookups(graph)).length - 1;
  if (count <= MAX_SEQUENCES) return;
  throw userError('config', {
    key: 'features',
    message: `${count} sequences; at most ${MAX_SEQUENCES} are supported`,
    fix: 'remove sequences',
  });
}

/** Creates an engine on a WebGPU device. */
export function createWebGpuEngine(gpu: Gpu, watch: GpuWatch = {}): Engine {
  const { name, driver } = gpu.about;
  return {
    name: 'webgpu',
    description: `WebGPU on ${name}${driver === '' ? '' : ` (${driver})`}`,
    about: { ...gpu.about },
    compile(plan, onWarning) {
      refuseManySequences(plan);
      return compileProgram(gpu, plan, { ...watch, onWarning });
    },
    activationBytes,
    // Tables are split over as many buffers as they require, and no device reports its total memory.
    maxBytes: Infinity,
    takesPeers: false,
    precisions: gpu.about.hasHalf ? ['f32', 'f16'] : ['f32'],
    ...(!gpu.about.hasHalf && { lacks: { f16: `its adapter does not support ${HALF}` } }),
    refuseTooLarge(plan) {
      const maxWords = Math.floor(gpu.maxBufferBytes / WORD);
      const compiled = compile(plan, { folds: false });
      const widest = compiled.tables.all.find(({ stride }) => stride > maxWords);
      const { words } = widest === undefined ? layOutDevice(compiled, maxWords) : { words: 0 };
      if (widest === undefined && words <= maxWords) return;
      const has = `a buffer of ${name} holds at most ${size(maxWords)}`;
      if (widest !== undefined)
        throw userError('data', {
          key: 'features',
          message:
            `a row of table '${widest.name}' with its optimizer state requires ${size(widest.stride)}, ` + `but ${has}`,
          fix: 'reduce the width, or use --device cpu',
        });
      throw userError('data', {
        key: 'training.batchSize',
        message:
          `weights, gradients and a batch of ${compiled.passRows} rows require ${size(words)} besides the ` +
          `tables, but ${has}`,
        fix:
          compiled.maxRows > MIN_ROWS
            ? 'use a smaller training.batchSize with training.accumulateBatches, a smaller model, or --device cpu'
            : compiled.domains.length > 1
              ? 'reduce keep.last or the width of layers over items, or use --device cpu'
              : 'use a smaller model, or --device cpu',
      });
    },
  };
}

const size = (words: number): string => bytes(words * WORD);
