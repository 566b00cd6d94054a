import type { Engine } from '../engine.js';
import type { Device } from '../device.js';
import { loadBackend } from './backend.js';
import { compileProgram } from './program.js';

/**
 * The engine on TensorFlow.js.
 * @throws UserError (usage) for `gpu` where there is none
 */
export async function createTfjsEngine(device: Device): Promise<Engine> {
  const { tf, description } = await loadBackend(device);
  return { name: 'tfjs', description, compile: (plan) => compileProgram(tf, plan) };
}
