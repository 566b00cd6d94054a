import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { FileDigest } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';

/** Version of the checkpoint format; other versions are rejected. */
const FORMAT_VERSION = 3;

/**
 * Forms of a checkpoint: its base has everything, and its segment what changed since the checkpoint before. A full
 * checkpoint is a base, and may have a segment in a directory of this name; a delta is a segment, and may have a base.
 */
type Form = 'base' | 'segment';
const BOTH: readonly Form[] = ['base', 'segment'];

/** A file of a checkpoint. */
interface FileForm {
  readonly file: string;
  readonly forms: readonly Form[];
  /** Whether it is absent if it would be empty. Default: false. */
  readonly isOptional?: true;
  /** Whether each rank has one: rank 0 all tensors, and others their shards of sharded tensors. Default: false. */
  readonly isSharded?: true;
}

/**
 * What a checkpoint consists of. A full one is self-contained and can be copied anywhere. A delta has what changed
 * since the checkpoint before it.
 */
const FORMS = {
  weights: { file: 'weights.safetensors', forms: BOTH, isSharded: true },
  optimizer: { file: 'optimizer.safetensors', forms: BOTH, isSharded: true },
  /** Numbers of the table rows. */
  rows: { file: 'rows.safetensors', forms: ['segment'], isSharded: true },
  state: { file: 'state.json', forms: BOTH },
  config: { file: 'config.yaml', forms: BOTH },
  features: { file: 'features.json', forms: ['base'] },
  /** Vocabularies that are too large for JSON. */
  vocabularies: { file: 'vocabularies.safetensors', forms: ['base'], isOptional: true },
  /** Changes of growing vocabularies. */
  growth: { file: 'vocabulary-changes.safetensors', forms: ['segment'], isOptional: true },
  /** Side tables of looked-up columns. */
  lookups: { file: 'lookups.safetensors', forms: ['base'], isOptional: true },
  /** Counters of earlier events after each split; in a delta, if they changed. */
  counters: { file: 'counters.safetensors', forms: BOTH, isOptional: true },
  /** Rows of the current window of a stream; in a delta, those since the checkpoint before. */
  window: { file: 'window.safetensors', forms: BOTH, isOptional: true },
  /** Events of a stream that rows see; in a delta, those since the checkpoint before. */
  histories: { file: 'histories.safetensors', forms: BOTH, isOptional: true },
} as const satisfies Readonly<Record<string, FileForm>>;

type Forms = typeof FORMS;
export type FileKey = keyof Forms;
export type FileName = Forms[FileKey]['file'];

/** Names of the files of a checkpoint. */
export const FILES = Object.fromEntries(Object.entries(FORMS).map(([key, { file }]) => [key, file])) as {
  readonly [Key in FileKey]: Forms[Key]['file'];
};

/** Returns whether a file is absent if it would be empty. */
export function isOptional(key: FileKey): boolean {
  const form: FileForm = FORMS[key];
  return form.isOptional === true;
}

/** Directory name of a checkpoint: the step, and a number from 2 if a checkpoint of the same step exists. */
export const NAME = /^step-(\d{8,})(?:\.(\d+))?$/;

/** Written last: its presence marks a complete checkpoint. */
export const MANIFEST = 'manifest.json';

/** Digests by file name. The names are fixed, so a manifest cannot name other files. */
export type Digests = { readonly [File in FileName]?: FileDigest | undefined };

/** Identity of a checkpoint: its directory name, and the digest of its manifest. */
export interface CheckpointId {
  readonly name: string;
  readonly sha256: string;
}

/** Digests of a checkpoint's files, and of the files of ranks other than 0. */
export interface Manifest {
  readonly files: Digests;
  readonly parts: readonly Digests[];
  /** Of a delta: the full or compacted checkpoint that it builds on, in the same directory. */
  readonly base?: CheckpointId | undefined;
  /** Of a delta: the deltas between the base and it, in order. */
  readonly segments?: readonly CheckpointId[] | undefined;
}

/** Returns the checkpoints before a delta, in order: its base and segments. Empty for a full checkpoint. */
export function listBefore({ base, segments = [] }: Manifest): readonly CheckpointId[] {
  return base === undefined ? [] : [base, ...segments];
}

/** A manifest in a directory. */
export interface CheckpointFolder {
  readonly folder: string;
  readonly manifest: Manifest & { readonly sha256: string };
}

/** Returns the file name of a rank's part. */
export function partFile(name: string, rank: number, size: number): string {
  return name.replace('.', `.${rank + 1}-of-${size}.`);
}

/** Schema of the digest of a file. */
export const digestSchema = z.strictObject({ bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const formatVersion = z.literal(FORMAT_VERSION, `expected format version ${FORMAT_VERSION}`);
const filesSchema = (form: Form, isPart = false) =>
  z.strictObject(
    Object.fromEntries(
      Object.values<FileForm>(FORMS)
        .filter(({ forms, isSharded }) => forms.includes(form) && (isSharded === true || !isPart))
        .map(({ file, isOptional }) => [file, isOptional === true ? digestSchema.optional() : digestSchema]),
    ),
  );
const schemaOf = (form: Form) => ({
  formatVersion,
  files: filesSchema(form),
  parts: z.array(filesSchema(form, true)).default([]),
});
const idSchema = z.strictObject({ name: z.string().regex(NAME), sha256: digestSchema.shape.sha256 });
const fullSchema = z.strictObject(schemaOf('base'));
const deltaSchema = z.strictObject({ ...schemaOf('segment'), base: idSchema, segments: z.array(idSchema) });
/** Only a delta has a base. */
const manifestSchema = z
  .looseObject({})
  .transform((manifest): Manifest => ('base' in manifest ? deltaSchema : fullSchema).parse(manifest));
const versionSchema = z.looseObject({ formatVersion: z.int() });

/** Larger files are rejected unread. */
const MAX_MANIFEST_BYTES = 1_000_000;

/** Formats a manifest as JSON, with one line per file. */
export function manifestText({ files, parts, base, segments }: Manifest): string {
  const manifest = {
    formatVersion: FORMAT_VERSION,
    ...(base !== undefined && { base, segments }),
    files,
    ...(parts.length > 0 && { parts }),
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
  const { formatVersion: found } = parseJson(path, bytes, versionSchema);
  if (found !== FORMAT_VERSION)
    throw userError('checkpoint', {
      where: path,
      message: `has format version ${found}, but this version of mtl reads ${FORMAT_VERSION} only`,
      fix: 'train the run again, or use the version of mtl that saved it',
    });
  return { ...parseJson(path, bytes, manifestSchema), sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Returns whether a delta is compacted: it then has a base, and requires no other checkpoint. */
export function isCompacted(folder: string): boolean {
  return existsSync(join(innerFolder(folder, 'base'), MANIFEST));
}

/** Returns the directory of a form within a checkpoint of the other form. */
export function innerFolder(checkpoint: string, form: Form): string {
  return join(checkpoint, form);
}

/**
 * Reads the manifest of a form of a checkpoint: of the checkpoint itself, or of the directory within it.
 * @returns undefined if it does not have the form
 * @throws UserError (checkpoint) if the manifest is invalid, or of another checkpoint
 */
export async function readForm(checkpoint: CheckpointFolder, form: Form): Promise<CheckpointFolder | undefined> {
  const isForm = ({ base }: Manifest): boolean => (base === undefined) === (form === 'base');
  const stateOf = ({ files }: Manifest): string | undefined => files[FILES.state]?.sha256;
  if (isForm(checkpoint.manifest)) return checkpoint;
  const folder = innerFolder(checkpoint.folder, form);
  if (!existsSync(join(folder, MANIFEST))) return undefined;
  const manifest = await readManifest(folder);
  if (isForm(manifest) && stateOf(manifest) === stateOf(checkpoint.manifest)) return { folder, manifest };
  throw damaged(folder, `not the ${form} of ${checkpoint.folder}: its ${FILES.state} differs`);
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
export async function readText(
  folder: string,
  name: string,
  digests: Readonly<Record<string, FileDigest | undefined>>,
): Promise<string> {
  const path = join(folder, name);
  const { bytes, sha256 } = listedDigest(folder, name, digests);
  await checkSize(path, bytes);
  const content = await readBytes(path);
  if (createHash('sha256').update(content).digest('hex') !== sha256)
    throw damaged(path, 'the SHA-256 differs from the manifest');
  return content.toString('utf8');
}

/**
 * Returns the digest of a file.
 * @throws UserError (checkpoint) if the manifest does not list the file
 */
export function listedDigest(
  folder: string,
  name: string,
  digests: Readonly<Record<string, FileDigest | undefined>>,
): FileDigest {
  const digest = digests[name];
  if (digest === undefined) throw damaged(join(folder, MANIFEST), `does not list ${name}`);
  return digest;
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
