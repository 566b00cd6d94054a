import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSynced, type FileDigest } from '../../io/disk.js';
import type { Fitted } from '../../features/feature-types.js';
import { loadedFitted, storedFitted } from '../../features/fitted.js';
import { readSafetensors, writeSafetensors } from '../../io/safetensors.js';
import { BLAME_DATA } from '../shards/manifest.js';

const JSON_FILE = 'fitted.json';
/** Not there where the JSON is all. */
const TENSOR_FILE = 'fitted.safetensors';
/** Of the tensors. */
const DIGEST_FILE = 'digest.json';

/** Writes what was learned into a folder. */
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
 * Reads it from a folder that is whole.
 * @throws UserError (data) for tensors that are not those that were written
 */
export async function readFitted(folder: string): Promise<Fitted> {
  // What an earlier run wrote, whole; the fields check what they are given.
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'));
  const json = (await read(JSON_FILE)) as Fitted;
  if (!existsSync(join(folder, DIGEST_FILE))) return loadedFitted({ json, tensors: new Map() });
  const tensors = await readSafetensors(join(folder, TENSOR_FILE), (await read(DIGEST_FILE)) as FileDigest, {
    blame: BLAME_DATA,
    isShared: true,
  });
  return loadedFitted({ json, tensors });
}
