import type { Engine, Plan } from '../engine.js';
import { MAX_BYTES } from '../cpu/module.js';
import { apartBytes } from '../cpu/compile-program.js';
import { rejectSequences } from '../reject-sequences.js';
import { loadGpu, loadOwn, type Backend } from './backend.js';
import { compileProgram } from './program.js';

/**
 * The engine on a GPU, or undefined where there is none.
 * @param isRequired whether that is an error instead
 * @throws UserError (usage) that says what is missing
 */
export async function createGpuEngine(isRequired: boolean): Promise<Engine | undefined> {
  const backend = await loadGpu(isRequired);
  return backend && engineOn(backend);
}

/** The engine on TensorFlow.js's own CPU backend: slow, and the other engine's oracle. */
export async function createTfjsEngine(): Promise<Engine> {
  return engineOn(await loadOwn());
}

function engineOn({ tf, description }: Backend): Engine {
  return {
    name: 'tfjs',
    description,
    compile(plan) {
      rejectSequences(plan, 'TensorFlow.js');
      return compileProgram(tf, plan);
    },
    activationBytes,
    apartBytes,
    maxBytes: MAX_BYTES,
    takesPeers: false,
    precisions: ['f32'],
  };
}

/** Every value and its gradient; what TensorFlow.js makes besides is gone within an operation. */
function activationBytes({ graph, batchRows = 0 }: Plan): number {
  return graph.values.reduce((sum, { width }) => sum + width, 0) * batchRows * 2 * Float32Array.BYTES_PER_ELEMENT;
}
