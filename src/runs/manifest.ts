import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { FileDigest } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';

/** Version of the checkpoint format; other versions are rejected. */
const FORMAT_VERSION = 2;

/** Files of a checkpoint. A full one is self-contained and can be copied anywhere. */
export const FILES = {
  weights: 'weights.safetensors',
  optimizer: 'optimizer.safetensors',
  /** Numbers of the table rows in a delta; absent in a full checkpoint. */
  rows: 'rows.safetensors',
  /** Changes of growing vocabularies in a delta; absent without any. */
  growth: 'vocabulary-changes.safetensors',
  state: 'state.json',
  features: 'features.json',
  /** Rows of the current window of a stream, in a delta those since the checkpoint before; absent without a stream. */
  window: 'window.safetensors',
  /** Events of a stream that rows see, in a delta those since the checkpoint before; absent without data.sequences. */
  histories: 'histories.safetensors',
  /** Vocabularies that are too large for JSON; usually absent. */
  vocabularies: 'vocabularies.safetensors',
  /** Counters of earlier events after each split; absent without data.counters, and in most deltas. */
  counters: 'counters.safetensors',
  /** Side tables; absent without data.lookups. */
  lookups: 'lookups.safetensors',
  config: 'config.yaml',
} as const;

/** Directory within a full checkpoint: a delta from the checkpoint before it. */
export const UPDATE = 'update';

/** Directory name of a checkpoint: the step, and a number from 2 if a checkpoint of the same step exists. */
export const NAME = /^step-(\d{8,})(?:\.(\d+))?$/;

/** Written last: its presence marks a complete checkpoint. */
export const MANIFEST = 'manifest.json';

/** Directory in a compacted delta: the full checkpoint with the same content. */
export const COMPACTED = 'full';

/** Files of each rank: rank 0 has all weights and optimizer state, and others have their shards of sharded tensors. */
const PART = [FILES.weights, FILES.optimizer] as const;
const DELTA_PART = [...PART, FILES.rows] as const;
const FULL = [...PART, FILES.state, FILES.config, FILES.features] as const;
const DELTA = [...DELTA_PART, FILES.state, FILES.config] as const;
/** Files that a full checkpoint, or a delta, may lack. */
const FULL_OPTIONAL = [FILES.vocabularies, FILES.lookups, FILES.counters, FILES.window, FILES.histories] as const;
const DELTA_OPTIONAL = [FILES.growth, FILES.counters, FILES.window, FILES.histories] as const;
export type OptionalFile = (typeof FULL_OPTIONAL)[number];

/** Digests by file name. The names are fixed, so a manifest cannot name other files. */
type DigestsOf<Names extends readonly string[], Optional extends readonly string[] = []> = {
  readonly [File in Names[number]]: FileDigest;
} & { readonly [File in Optional[number]]?: FileDigest | undefined };
export type PartDigests = DigestsOf<typeof PART>;
export type DeltaPartDigests = DigestsOf<typeof DELTA_PART>;
export type Digests = DigestsOf<typeof FULL, typeof FULL_OPTIONAL>;
export type DeltaDigests = DigestsOf<typeof DELTA, typeof DELTA_OPTIONAL>;

/** Identity of a checkpoint: its directory name, and the digest of its manifest. */
export interface CheckpointId {
  readonly name: string;
  readonly sha256: string;
}

/** Digests of a full checkpoint's files, and of the files of ranks other than 0. */
export interface FullManifest {
  readonly files: Digests;
  readonly parts: readonly PartDigests[];
  readonly previous?: undefined;
}

/** Digests of a delta, and the checkpoint before it in the same directory. */
export interface DeltaManifest {
  readonly files: DeltaDigests;
  readonly parts: readonly DeltaPartDigests[];
  readonly previous: CheckpointId;
}

export type Manifest = FullManifest | DeltaManifest;

/** Returns the file name of a rank's part. */
export function partFile(name: keyof DeltaPartDigests, rank: number, size: number): string {
  return name.replace('.', `.${rank + 1}-of-${size}.`);
}

/** Schema of the digest of a file. */
export const digestSchema = z.strictObject({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const formatVersion = z.literal(FORMAT_VERSION, `expected format version ${FORMAT_VERSION}`);
const filesSchema = <Names extends readonly string[], const Optional extends readonly string[]>(
  names: Names,
  optional: Optional,
) =>
  z.strictObject({
    ...Object.fromEntries(names.map((name) => [name, digestSchema])),
    ...Object.fromEntries(optional.map((name) => [name, digestSchema.optional()])),
  }) as z.ZodType as z.ZodType<DigestsOf<Names, Optional>>;
const fullSchema = z.strictObject({
  formatVersion,
  files: filesSchema(FULL, FULL_OPTIONAL),
  parts: z.array(filesSchema(PART, [])).optional(),
});
const deltaSchema = z.strictObject({
  formatVersion,
  previous: z.strictObject({ name: z.string().regex(NAME), sha256: digestSchema.shape.sha256 }),
  files: filesSchema(DELTA, DELTA_OPTIONAL),
  parts: z.array(filesSchema(DELTA_PART, [])).optional(),
});
/** Only a delta has a previous checkpoint. */
const manifestSchema = z
  .looseObject({})
  .transform((manifest) => ('previous' in manifest ? deltaSchema : fullSchema).parse(manifest));

/** Larger files are rejected unread. */
const MAX_MANIFEST_BYTES = 100_000;

/** Formats a manifest, of a delta if it has a previous checkpoint. */
export function manifestText(
  files: Partial<Digests & DeltaDigests>,
  parts: readonly PartDigests[] = [],
  previous?: CheckpointId,
): string {
  const toJson = (digests: Readonly<Record<string, FileDigest | undefined>>): object =>
    Object.fromEntries(
      Object.entries(digests).flatMap(([name, digest]) =>
        digest === undefined ? [] : [[name, { bytes: digest.bytes, sha256: digest.sha256 }] as const],
      ),
    );
  const manifest = {
    formatVersion: FORMAT_VERSION,
    ...(previous !== undefined && { previous }),
    files: toJson(files),
    ...(parts.length > 0 && { parts: parts.map(toJson) }),
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/**
 * Reads the manifest of a checkpoint.
 * @throws UserError (checkpoint) if it is missing or invalid
 */
export async function readManifest(folder: string): Promise<Manifest & { readonly sha256: string }> {
  const path = join(folder, MANIFEST);
  await checkFile(path, (bytes) =>
    bytes > MAX_MANIFEST_BYTES ? `the file has ${bytes} bytes, too many for a manifest` : undefined,
  );
  const bytes = await readBytes(path);
  const { files, parts = [], ...delta } = parseJson(path, bytes, manifestSchema);
  // The cast is safe: a manifest with `previous` has the files of a delta.
  return { files, parts, ...delta, sha256: createHash('sha256').update(bytes).digest('hex') } as Manifest & {
    readonly sha256: string;
  };
}

/** Returns whether a delta is compacted: it then requires no other checkpoint. */
export function isCompacted(folder: string): boolean {
  return existsSync(join(folder, COMPACTED, MANIFEST));
}

/**
 * Reads the manifest of the full checkpoint in a compacted delta.
 * @throws UserError (checkpoint) if it is invalid, or of another checkpoint
 */
export async function readCompacted(
  delta: string,
  { files }: DeltaManifest,
): Promise<{ readonly folder: string; readonly manifest: FullManifest }> {
  const folder = join(delta, COMPACTED);
  const manifest = await readManifest(folder);
  if (manifest.previous !== undefined || manifest.files[FILES.state].sha256 !== files[FILES.state].sha256)
    throw damaged(folder, `not the full checkpoint of ${delta}: its ${FILES.state} differs`);
  return { folder, manifest };
}

/**
 * Reads the time at which a checkpoint was saved, in milliseconds since the epoch.
 * @throws UserError (checkpoint) if its manifest cannot be read
 */
export async function readSavedMs(folder: string): Promise<number> {
  const path = join(folder, MANIFEST);
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    throw damaged(path, `cannot read the file (${systemCode(error) ?? String(error)})`, error);
  }
}

/**
 * Computes the SHA-256 of the manifest of a checkpoint or of trees. It identifies them, because the manifest has the
 * digests of all files.
 * @throws UserError (checkpoint) if it cannot be read
 */
export async function manifestDigest(folder: string): Promise<string> {
  return createHash('sha256')
    .update(await readBytes(join(folder, MANIFEST)))
    .digest('hex');
}

/**
 * Reads a text file of a checkpoint or of trees and verifies its digest.
 * @throws UserError (checkpoint) that names the file
 */
export async function readText<Name extends string>(
  folder: string,
  name: Name,
  digests: { readonly [File in Name]: FileDigest },
): Promise<string> {
  const path = join(folder, name);
  const { bytes, sha256 } = digests[name];
  await checkSize(path, bytes);
  const content = await readBytes(path);
  if (createHash('sha256').update(content).digest('hex') !== sha256)
    throw damaged(path, 'the SHA-256 differs from the manifest');
  return content.toString('utf8');
}

/**
 * Checks a file's size and that it is a regular file; reading a pipe would never end.
 * @throws UserError (checkpoint)
 */
export async function checkSize(path: string, expected: number): Promise<void> {
  await checkFile(path, (bytes) =>
    bytes === expected ? undefined : `expected ${expected} bytes as in the manifest; the file has ${bytes}`,
  );
}

/**
 * Parses JSON and validates it against a schema.
 * @throws UserError (checkpoint) that names `path`
 */
export function parseJson<Schema extends z.ZodType>(
  path: string,
  text: string | Buffer,
  schema: Schema,
): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text.toString()));
  } catch (error) {
    const reason = error instanceof z.ZodError ? (error.issues[0]?.message ?? '') : 'not JSON';
    throw damaged(path, `invalid content or another version (${reason})`, error);
  }
}

async function checkFile(path: string, findProblem: (bytes: number) => string | undefined): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw damaged(path, `cannot read the file (${systemCode(error) ?? String(error)})`, error);
  });
  const problem = stats.isFile() ? findProblem(stats.size) : 'not a regular file';
  if (problem !== undefined) throw damaged(path, problem);
}

async function readBytes(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw damaged(path, `cannot read the file (${systemCode(error) ?? String(error)})`, error);
  });
}

/** Creates the error for a damaged file of a checkpoint. */
export function damaged(path: string, message: string, cause?: unknown): Error {
  return userError('checkpoint', { where: path, message, fix: 'use another checkpoint' }, cause);
}
