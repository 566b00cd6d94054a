import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSynced, type FileDigest } from '../../io/disk.js';
import type { Fitted } from '../../features/feature-types.js';
import { loadedFitted, storedFitted } from '../../features/fitted.js';
import { readSafetensors, writeSafetensors } from '../../io/safetensors.js';
import { BLAME_DATA } from '../shards/manifest.js';

const JSON_FILE = 'fitted.json';
/** Absent if there are no tensors. */
const TENSOR_FILE = 'fitted.safetensors';
/** Digest of the tensors. */
const DIGEST_FILE = 'digest.json';

/** Writes fitted vocabularies and scales to a directory. */
export async function writeFitted(folder: string, fitted: Fitted): Promise<void> {
  const { json, tensors } = storedFitted(fitted);
  await writeSynced(join(folder, JSON_FILE), JSON.stringify(json));
  if (tensors.size === 0) return;
  await writeSynced(
    join(folder, DIGEST_FILE),
    JSON.stringify(await writeSafetensors(join(folder, TENSOR_FILE), tensors)),
  );
}

/**
 * Reads fitted vocabularies and scales from a complete directory.
 * @throws UserError (data) if the tensors differ from their digest
 */
export async function readFitted(folder: string): Promise<Fitted> {
  // An earlier run wrote it; the fields check their part.
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'));
  const json = (await read(JSON_FILE)) as Fitted;
  if (!existsSync(join(folder, DIGEST_FILE))) return loadedFitted({ json, tensors: new Map() });
  const tensors = await readSafetensors(join(folder, TENSOR_FILE), (await read(DIGEST_FILE)) as FileDigest, {
    blame: BLAME_DATA,
    isShared: true,
  });
  return loadedFitted({ json, tensors });
}
