import type { Fitted } from '../../features/feature-types.js';
import { loadedFitted, storedFitted } from '../../features/fitted.js';
import { readTensors, writeTensors } from './tensor-folder.js';

const NAME = 'fitted';

/** Writes fitted vocabularies and scales to a directory. */
export function writeFitted(folder: string, fitted: Fitted): Promise<void> {
  return writeTensors(folder, NAME, storedFitted(fitted));
}

/**
 * Reads fitted vocabularies and scales from a complete directory.
 * @throws UserError (data) if the tensors differ from their digest
 */
export async function readFitted(folder: string): Promise<Fitted> {
  const { json, tensors } = await readTensors(folder, NAME);
  // An earlier run wrote it; the fields check their part.
  return loadedFitted({ json: json as Fitted, tensors });
}
