import { join } from 'node:path';
import type { Fitted } from '../features/feature-types.js';
import { storedFitted } from '../features/fitted.js';
import { lookupTensors, type LookupTables } from '../features/lookups.js';
import { writeSynced, type FileDigest } from '../io/disk.js';
import { writeSafetensors, type StoredTensor } from '../io/safetensors.js';
import { allSettledOrThrow } from './await-all.js';
import type { Delta } from './delta.js';
import { FILES, type DeltaDigests, type Digests, type OptionalFile } from './manifest.js';

// Files of a checkpoint beside those of weights, optimizer state, config and state, most of which it may lack.

type Tensors = ReadonlyMap<string, StoredTensor>;

/** What a full checkpoint has in these files. */
interface Constants {
  readonly fitted: Fitted;
  readonly counters: Tensors;
  readonly lookups: LookupTables;
  readonly window?: Tensors;
  readonly histories?: Tensors;
}

/** Writes changed vocabularies, and the counters, the rows of the window and the events of a stream, if any. */
export async function writeChanges(folder: string, delta: Delta): Promise<Partial<DeltaDigests>> {
  const digests = await allSettledOrThrow(
    DELTA_FILES.map(async (name) => [FILES[name], await writeAny(join(folder, FILES[name]), delta[name])] as const),
  );
  return Object.fromEntries(digests);
}

/** Parts of a delta that it may lack, by the name of their file. */
const DELTA_FILES = ['growth', 'counters', 'window', 'histories'] as const;

/** Writes tensors, if there are any. */
async function writeAny(path: string, tensors: Tensors): Promise<FileDigest | undefined> {
  return tensors.size > 0 ? writeSafetensors(path, tensors) : undefined;
}

/** Writes the files of a full checkpoint that steps do not change, its vocabularies, and those of its stream. */
export async function writeConstants(
  folder: string,
  { fitted, counters, lookups, window = new Map(), histories = new Map() }: Constants,
): Promise<Pick<Digests, typeof FILES.features | OptionalFile>> {
  const features = storedFitted(fitted);
  const optional: Record<OptionalFile, Tensors> = {
    [FILES.vocabularies]: features.tensors,
    [FILES.counters]: counters,
    [FILES.lookups]: lookupTensors(lookups),
    [FILES.window]: window,
    [FILES.histories]: histories,
  };
  const [json, ...others] = await allSettledOrThrow<[FileDigest, ...(readonly [string, FileDigest | undefined])[]]>([
    writeSynced(join(folder, FILES.features), JSON.stringify(features.json)),
    ...Object.entries(optional).map(async ([name, own]) => [name, await writeAny(join(folder, name), own)] as const),
  ]);
  return { [FILES.features]: json, ...Object.fromEntries(others) };
}
