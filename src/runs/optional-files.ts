import { join } from 'node:path';
import type { Fitted } from '../features/feature-types.js';
import { storedFitted } from '../features/fitted.js';
import { lookupTensors, type LookupTables } from '../features/lookups.js';
import { writeSynced, type FileDigest } from '../io/disk.js';
import { writeSafetensors } from '../io/safetensors.js';
import { allSettledOrThrow } from './await-all.js';
import type { Delta } from './delta.js';
import { FILES, type DeltaDigests, type Digests, type OptionalFile } from './manifest.js';
import type { StateChanges, States, StateTensors } from './states.js';

// Files of a checkpoint beside those of weights, optimizer state, config and state, most of which it may lack.

/** What a full checkpoint has in these files. */
interface Constants {
  readonly fitted: Fitted;
  readonly lookups: LookupTables;
  readonly states: States;
}

/** Writes the changes of states that have any. */
export async function writeChanges(folder: string, { states }: Delta): Promise<Partial<DeltaDigests>> {
  const names = Object.keys(states) as readonly (keyof StateChanges)[];
  const digests = names.map(
    async (name) => [FILES[name], await writeAny(join(folder, FILES[name]), states[name])] as const,
  );
  return Object.fromEntries(await allSettledOrThrow(digests));
}

/** Writes tensors, if there are any. */
async function writeAny(path: string, tensors: StateTensors | undefined): Promise<FileDigest | undefined> {
  return tensors !== undefined && tensors.size > 0 ? writeSafetensors(path, tensors) : undefined;
}

/** Writes the files of a full checkpoint that steps do not change, its vocabularies, and those of its stream. */
export async function writeConstants(
  folder: string,
  { fitted, lookups, states }: Constants,
): Promise<Pick<Digests, typeof FILES.features | OptionalFile>> {
  const features = storedFitted(fitted);
  const optional: Record<OptionalFile, StateTensors | undefined> = {
    [FILES.vocabularies]: features.tensors,
    [FILES.lookups]: lookupTensors(lookups),
    [FILES.counters]: states.counters,
    [FILES.window]: states.window,
    [FILES.histories]: states.histories,
  };
  const [json, ...others] = await allSettledOrThrow<[FileDigest, ...(readonly [string, FileDigest | undefined])[]]>([
    writeSynced(join(folder, FILES.features), JSON.stringify(features.json)),
    ...Object.entries(optional).map(async ([name, own]) => [name, await writeAny(join(folder, name), own)] as const),
  ]);
  return { [FILES.features]: json, ...Object.fromEntries(others) };
}
