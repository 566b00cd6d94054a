import type { Engine } from './engine.js';
import type { Device } from './device.js';

/**
 * The engine for a device. Its libraries are loaded here and not before.
 * @throws UserError (usage) for `gpu` where there is none
 */
export async function createEngine(device: Device): Promise<Engine> {
  const { createTfjsEngine } = await import('./tfjs/engine.js');
  return createTfjsEngine(device);
}
