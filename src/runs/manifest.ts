import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { FileDigest } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';

/** The version of a checkpoint's format; what is older or newer is refused. */
const FORMAT_VERSION = 2;

/** Files of a checkpoint: all that is needed to evaluate it, wherever it is copied. */
export const FILES = {
  weights: 'weights.safetensors',
  optimizer: 'optimizer.safetensors',
  state: 'state.json',
  features: 'features.json',
  /** Of what was learned, that which is too large for JSON; mostly there is nothing. */
  vocabularies: 'vocabularies.safetensors',
  config: 'config.yaml',
} as const;

/** What says that a checkpoint is whole; written last. */
export const MANIFEST = 'manifest.json';

type FileName = (typeof FILES)[keyof typeof FILES];
type OptionalFile = typeof FILES.vocabularies;
type NeededFile = Exclude<FileName, OptionalFile>;
/** By the name of each file of a checkpoint, which are fixed: a manifest can name no other. */
export type Digests = { readonly [File in NeededFile]: FileDigest } & {
  readonly [File in OptionalFile]?: FileDigest | undefined;
};

/**
 * Files of one of several processes that saved a checkpoint together, of those behind the first: its rows of tensors
 * that are dealt out.
 */
export type PartDigests = { readonly [File in typeof FILES.weights | typeof FILES.optimizer]: FileDigest };

/** What a manifest says: the files of a checkpoint, and those of the processes behind the first. */
export interface Manifest {
  readonly files: Digests;
  readonly parts: readonly PartDigests[];
}

/** The name of such a file, of the process `rank` of so many. */
export function partFile(name: keyof PartDigests, rank: number, size: number): string {
  return name.replace('.', `.${rank + 1}-of-${size}.`);
}

const digestSchema = z.strictObject({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const manifestSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION, `format version ${FORMAT_VERSION} is expected`),
  files: z.strictObject({
    [FILES.weights]: digestSchema,
    [FILES.optimizer]: digestSchema,
    [FILES.state]: digestSchema,
    [FILES.features]: digestSchema,
    [FILES.vocabularies]: digestSchema.optional(),
    [FILES.config]: digestSchema,
  }),
  parts: z.array(z.strictObject({ [FILES.weights]: digestSchema, [FILES.optimizer]: digestSchema })).optional(),
});

/** More than any manifest has: what is larger is none. */
const MAX_MANIFEST_BYTES = 100_000;

/** The text of a manifest. */
export function manifestText(files: Digests, parts: readonly PartDigests[] = []): string {
  const plain = (digests: Readonly<Record<string, FileDigest | undefined>>): object =>
    Object.fromEntries(
      Object.entries(digests).flatMap(([name, digest]) =>
        digest === undefined ? [] : [[name, { bytes: digest.bytes, sha256: digest.sha256 }] as const],
      ),
    );
  return `${JSON.stringify({ formatVersion: FORMAT_VERSION, files: plain(files), ...(parts.length > 0 && { parts: parts.map(plain) }) }, null, 2)}\n`;
}

/**
 * Reads the manifest of a checkpoint.
 * @throws UserError (checkpoint) where there is none, or another thing in its place
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST);
  await checkFile(path, (bytes) =>
    bytes > MAX_MANIFEST_BYTES ? `has ${bytes} bytes, which no manifest has` : undefined,
  );
  const { files, parts = [] } = parseJson(path, await readBytes(path), manifestSchema);
  return { files, parts };
}

/**
 * SHA-256 of the manifest of a checkpoint that was read: it has those of all files, so it stands for all of them.
 * @throws UserError (checkpoint) where it cannot be read
 */
export async function manifestDigest(folder: string): Promise<string> {
  return createHash('sha256')
    .update(await readBytes(join(folder, MANIFEST)))
    .digest('hex');
}

/**
 * Reads a text of a checkpoint and holds it against its digest.
 * @throws UserError (checkpoint) that names the file
 */
export async function readText(folder: string, name: NeededFile, digests: Digests): Promise<string> {
  const path = join(folder, name);
  const { bytes, sha256 } = digests[name];
  await checkSize(path, bytes);
  const content = await readBytes(path);
  if (createHash('sha256').update(content).digest('hex') !== sha256)
    throw damaged(path, 'its SHA-256 is not that of its manifest');
  return content.toString('utf8');
}

/** Sees that a file has so many bytes and is a file: a pipe would be read for ever. */
export async function checkSize(path: string, expected: number): Promise<void> {
  await checkFile(path, (bytes) =>
    bytes === expected ? undefined : `has ${bytes} bytes, its manifest says ${expected}`,
  );
}

/** JSON of a schema. */
export function parseJson<Schema extends z.ZodType>(
  path: string,
  text: string | Buffer,
  schema: Schema,
): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text.toString()));
  } catch (error) {
    throw damaged(
      path,
      `is of another version, or not what it should be (${error instanceof z.ZodError ? (error.issues[0]?.message ?? '') : 'not JSON'})`,
      error,
    );
  }
}

async function checkFile(path: string, complaintOf: (bytes: number) => string | undefined): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw damaged(path, `cannot be read (${systemCode(error) ?? String(error)})`, error);
  });
  const complaint = stats.isFile() ? complaintOf(stats.size) : 'is not a file';
  if (complaint !== undefined) throw damaged(path, complaint);
}

async function readBytes(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw damaged(path, `cannot be read (${systemCode(error) ?? String(error)})`, error);
  });
}

/** The error for a file of a checkpoint. */
export function damaged(path: string, message: string, cause?: unknown): Error {
  return userError('checkpoint', { where: path, message, fix: 'take another checkpoint' }, cause);
}
