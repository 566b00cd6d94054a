import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeSynced } from '../../io/disk.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../../io/safetensors.js';
import { BLAME_DATA } from '../shards/manifest.js';

/** JSON and tensors that are stored in a directory of the cache. */
export interface TensorFolder {
  readonly json: unknown;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

const describedSchema = z.strictObject({
  json: z.unknown(),
  /** Digest of the file of tensors; absent if there are none. */
  digest: z.object({ bytes: z.int().min(0), sha256: z.string() }).optional(),
});

/** Writes JSON and tensors to a directory, as two files that begin with `name`. */
export async function writeTensors(folder: string, name: string, { json, tensors }: TensorFolder): Promise<void> {
  const path = join(folder, name);
  const digest = tensors.size === 0 ? undefined : await writeSafetensors(`${path}.safetensors`, tensors);
  await writeSynced(`${path}.json`, JSON.stringify({ json, digest }));
}

/**
 * Reads JSON, and tensors into shared memory.
 * @throws UserError (data) if the tensors differ from their digest; other errors for JSON that is missing or damaged
 */
export async function readTensors(folder: string, name: string): Promise<TensorFolder> {
  const path = join(folder, name);
  const { json, digest } = describedSchema.parse(JSON.parse(await readFile(`${path}.json`, 'utf8')));
  if (digest === undefined) return { json, tensors: new Map() };
  const tensors = await readSafetensors(`${path}.safetensors`, digest, { blame: BLAME_DATA, isShared: true });
  return { json, tensors };
}
