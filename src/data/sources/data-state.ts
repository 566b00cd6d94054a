import { join } from 'node:path';
import { z } from 'zod';
import { UserError, userError, type Problem } from '../../core/errors.js';
import type { StateSection } from '../../core/state-section.js';
import { sketchSchema } from '../batches/row-sketch.js';
import { fingerprintSchema, isSameContent, type Fingerprint } from '../readers/fingerprint.js';
import type { Split } from '../options.js';
import type { Access, Source } from './source.js';

type Sources = { readonly [S in Split]?: Source | undefined };

/** Splits that the result of training depends on. */
const TRAINED_BY = ['train', 'valid'] as const;

const dataStateSchema = z.strictObject({
  /** Number of usable training rows, which a position in an epoch refers to; null before they are counted. */
  trainRows: z.int().min(0).nullable(),
  /** Content of the files; undefined in old checkpoints. */
  fingerprints: z.strictObject({ train: fingerprintSchema.optional(), valid: fingerprintSchema.optional() }),
  /** SHA-256 of each side table. */
  lookups: z.record(z.string(), z.string()).optional(),
  /** SHA-256 of each event log. */
  sequences: z.record(z.string(), z.string()).optional(),
  /** Statistics of label scaling, fitted on the training set, by task. */
  labelScales: z.record(z.string(), z.unknown()).optional(),
  /** Sample of the training rows; undefined if they are not rows of files as they are, as on a stream. */
  trainedRows: sketchSchema.optional(),
});
/** State of the data of a run. */
export type DataState = z.output<typeof dataStateSchema>;

/** Section of a checkpoint with the state of the data. */
export const dataSection: StateSection<DataState> = { name: 'data', version: 1, schema: dataStateSchema };

/** Returns the state before data is read. */
export function firstDataState(): DataState {
  return { trainRows: null, fingerprints: {} };
}

/** Returns the splits that are identified by content, so that their files may have moved. */
export function splitsByContent({ fingerprints }: DataState): readonly Split[] {
  return TRAINED_BY.filter((split) => fingerprints[split] !== undefined);
}

/**
 * Checks that the content of the data is the content of training.
 * @throws UserError (data) with all changed files
 */
export async function refuseOtherContent({ fingerprints }: DataState, sources: Sources, access: Access): Promise<void> {
  const problems: Problem[] = [];
  for (const split of TRAINED_BY) {
    const [known, source] = [fingerprints[split], sources[split]];
    if (known === undefined || source === undefined) continue;
    const now = await source.fingerprint(access);
    const changes = isSameContent(known, now)
      ? orderChange(source.path, known, now)
      : listChanges(source.path, known, now);
    problems.push(...changes.map((problem) => ({ key: `data.${split}`, ...problem, fix: FIX })));
  }
  if (problems.length > 0) throw new UserError('data', problems);
}

/**
 * Records the data that a run is trained on.
 * @throws UserError (data) if the number of training rows changed
 */
export async function rememberData(
  state: DataState,
  sources: Sources,
  trainRows: number,
  access: Access,
): Promise<void> {
  if (state.trainRows !== null && state.trainRows !== trainRows) {
    throw userError('data', {
      key: 'data.train',
      message: `has ${trainRows} usable rows, but the run was trained on ${state.trainRows}`,
      fix: FIX,
    });
  }
  state.trainRows = trainRows;
  for (const split of TRAINED_BY) state.fingerprints[split] = await sources[split]?.fingerprint(access);
}

/**
 * Returns warnings of files that are copies of others: in the training set, or in it and another set.
 * @param isDivided whether the sets are parts of one source
 * @param areFiles whether the training set has files; directories of shards may have equal vocabularies
 */
export function sameNotices(
  { train, valid, test }: { readonly [S in Split]?: Fingerprint | undefined },
  isDivided: boolean,
  areFiles: boolean,
): readonly string[] {
  if (train === undefined) return [];
  const names = new Map<string, string>();
  const copies: string[] = [];
  for (const [name, { bytes, hash }] of Object.entries(areFiles ? train : {})) {
    const first = names.get(hash);
    if (first === undefined) names.set(hash, name);
    else if (bytes > 0) copies.push(`data.train: ${name} has the same content as ${first}, so its rows count twice`);
  }
  if (isDivided) return copies;
  if (valid !== undefined && isSameContent(train, valid))
    copies.push(
      'data.valid has the same rows as data.train, so it cannot detect overfitting and the last epoch will be ' +
        'the best; use separate rows, for example with source and split',
    );
  else copies.push(...sharedNotices('valid', names, valid));
  return [...copies, ...sharedNotices('test', names, test)];
}

/** @param trained names of the training files by hash */
function sharedNotices(split: Split, trained: ReadonlyMap<string, string>, files: Fingerprint = {}): readonly string[] {
  return Object.entries(files).flatMap(([name, { bytes, hash }]) => {
    const copy = trained.get(hash);
    if (copy === undefined || bytes === 0) return [];
    const [file, other] = [name, copy].map((each) => (each === '' ? 'its file' : each));
    return [`data.${split}: ${file} has the same content as ${other} of data.train, so the model is trained on it`];
  });
}

/**
 * Checks that the side tables or event logs are the same as in training, and records them.
 * @throws UserError (data) with all that changed
 */
export function rememberTables(
  state: DataState,
  section: 'lookups' | 'sequences',
  tables: ReadonlyMap<string, { readonly digest: string }>,
): void {
  const known = state[section] ?? {};
  const changed = [...tables].filter(([name, { digest }]) => (known[name] ?? digest) !== digest);
  const problems = changed.map(([name]) => ({
    key: `data.${section}.${name}`,
    message: 'has other rows than at training',
    fix: FIX,
  }));
  if (problems.length > 0) throw new UserError('data', problems);
  if (tables.size > 0) state[section] = Object.fromEntries([...tables].map(([name, { digest }]) => [name, digest]));
}

const FIX = 'resume with the same data, or start a new run';

function orderChange(where: string, known: Fingerprint, now: Fingerprint): readonly Problem[] {
  const [before, after] = [Object.keys(known), Object.keys(now)];
  // The name of a single file does not matter.
  return before.length > 1 && before.some((name, i) => name !== after[i])
    ? [{ where, message: 'its files are in a different order than at training' }]
    : [];
}

function listChanges(path: string, known: Fingerprint, now: Fingerprint): readonly Problem[] {
  return [...new Set([...Object.keys(known), ...Object.keys(now)])].flatMap((name): Problem[] => {
    const [before, after] = [known[name], now[name]];
    const where = join(path, name);
    if (before === undefined) return [{ where, message: 'did not exist at training' }];
    if (after === undefined) return [{ where, message: 'existed at training, but is missing' }];
    if (before.bytes !== after.bytes)
      return [{ where, message: `has ${after.bytes} bytes, but had ${before.bytes} at training` }];
    if (before.hash === after.hash) return [];
    return [{ where, message: `has the same size as at training (${after.bytes} bytes), but different content` }];
  });
}
