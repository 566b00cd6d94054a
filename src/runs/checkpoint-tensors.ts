import { join } from 'node:path';
import { readSafetensors, type StoredTensor } from '../io/safetensors.js';
import { checkSize, damaged, FILES, type Digests, type OptionalFile } from './manifest.js';

/** Reads the counters of a checkpoint. */
export function readCounters(folder: string, digests: Digests): Promise<ReadonlyMap<string, StoredTensor>> {
  return readTensors(folder, FILES.counters, digests, (tensors) => tensors, false);
}

/**
 * Reads tensors that a checkpoint may lack.
 * @param load converts them; it throws an Error if they are invalid
 */
export async function readTensors<Content>(
  folder: string,
  name: OptionalFile,
  digests: Digests,
  load: (tensors: ReadonlyMap<string, StoredTensor>) => Content,
  isShared = true,
): Promise<Content> {
  const digest = digests[name];
  const path = join(folder, name);
  if (digest !== undefined) await checkSize(path, digest.bytes);
  const tensors = digest && (await readSafetensors(path, digest, { isShared }));
  try {
    return load(tensors ?? new Map<string, StoredTensor>());
  } catch (error) {
    // Without tensors, only the fitted parameters can be invalid.
    throw damaged(
      digest === undefined ? join(folder, FILES.features) : path,
      `invalid content (${String(error)})`,
      error,
    );
  }
}
