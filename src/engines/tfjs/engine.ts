import type { Engine } from '../engine.js';
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
  return { name: 'tfjs', description, compile: (plan) => compileProgram(tf, plan) };
}
