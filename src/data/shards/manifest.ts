import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { contentSchema, createByteHash, hashFile, type HashName } from '../../io/byte-hash.js';
import { systemCode, userError, type Problem, type UserError } from '../../core/errors.js';
import { checkRegularFile } from '../../io/regular-file.js';
import { readable, unreadable } from '../readers/unreadable.js';
import { MTL } from '../../system/command-name.js';

/** File name of the manifest, which is written last: a directory with a manifest is complete. */
export const MANIFEST = 'manifest.json';

const count = z.int().min(0);
const size = z
  .int()
  .min(1)
  .max(2 ** 31);
const fileName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'the name of a file in this directory');
const name = z.string();

const columnSchema = z.discriminatedUnion('kind', [
  z.strictObject({ name, kind: z.literal('id'), size, vocabulary: fileName.optional() }),
  z.strictObject({ name, kind: z.literal('bag'), size, vocabulary: fileName.optional() }),
  z.strictObject({ name, kind: z.literal('number') }),
  z.strictObject({ name, kind: z.literal('label') }),
  z.strictObject({ name, kind: z.literal('vector'), width: z.int().min(1) }),
  z.strictObject({ name, kind: z.literal('key') }),
  z.strictObject({ name, kind: z.literal('double') }),
]);

const shardSchema = z
  .strictObject({
    file: fileName,
    rows: count,
    /** Number of its first row in the file; default: 0. Several shards may share a file. */
    first: count.optional(),
    bytes: count,
    /** Only of shards that are meant for other readers too. */
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    /** Verified on reading. Old manifests have only the SHA-256, which takes five times as long. */
    hash: contentSchema.shape.hash.optional(),
  })
  .refine(({ sha256, hash }) => sha256 !== undefined || hash !== undefined, 'a shard without a hash');

const rowCounts = z.record(z.string(), count).optional().catch(undefined);

/** Facts that the writer knows about the rows; facts of another form are ignored. */
const aboutSchema = z.looseObject({
  /** Number of excluded rows, by reason. */
  leftOut: rowCounts,
  /** Number of rows of each file that was read, if there were several. */
  fileRows: z.array(count).optional().catch(undefined),
  /** Number of rows with label 1, by column. */
  labelCounts: rowCounts,
  /** By column: number of ids, or items of bags, and how many of them are 0, the OOV id. */
  idCounts: z
    .record(z.string(), z.strictObject({ ids: count, unknown: count }))
    .optional()
    .catch(undefined),
  /** File that numbers the ids of each column; ids of different columns are not comparable, except for `sharedIds`. */
  vocabulary: z.string().optional().catch(undefined),
  /** By column: the column whose ids its own ids can be compared with. */
  sharedIds: z.record(z.string(), z.string()).optional().catch(undefined),
  /** By key column: text of each hashed key; null if there are too many. */
  keyTexts: z.record(z.string(), z.record(z.string(), z.string()).nullable()).optional().catch(undefined),
});

const manifestSchema = z.strictObject({
  format: z.literal('mtl shards'),
  version: z.literal(1),
  rows: count,
  columns: z.array(columnSchema),
  shards: z.array(shardSchema),
  about: aboutSchema.default({}),
});

/** A stored column: ids are below `size`; `vocabulary` names the file with the text of each id. */
export type ShardColumn = z.output<typeof columnSchema>;

/** Content of a directory of shards. */
export type Manifest = z.output<typeof manifestSchema>;

const FIX = `recreate the shards; for the cache, run '${MTL} data clean' and the next run rebuilds it`;

/** Kind and fix of errors about broken shards. */
export const BLAME_DATA = { kind: 'data', fix: FIX } as const;

/** Creates an error about broken shards. */
export function shardError(problem: Omit<Problem, 'fix'>, cause?: unknown): UserError {
  return userError('data', { ...problem, fix: FIX }, cause);
}

/**
 * Reads the manifest of a directory, and checks that all shards have the size in the manifest.
 * @returns undefined if the directory has no manifest
 * @throws UserError (data) for an invalid manifest, and for missing or truncated shards
 */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, MANIFEST);
  checkRegularFile(path, { kind: 'data', fix: 'recreate the shards' });
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw unreadable(path, error);
  }
  const manifest = parseManifest(text, path);
  for (const [file, { bytes }] of new Map(manifest.shards.map((shard) => [shard.file, shard]))) {
    const where = join(folder, file);
    const fileBytes = fileSize(where);
    const found = fileBytes === undefined ? 'is missing' : `has ${fileBytes} bytes`;
    if (fileBytes !== bytes)
      throw shardError({ where, message: `expected ${bytes} bytes as in the manifest; the file ${found}` });
  }
  return manifest;
}

function fileSize(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch {
    return undefined;
  }
}

/**
 * Verifies the checksum of a shard.
 * @param pieces all bytes of the file, in order; default: read from the file
 * @throws UserError (data)
 */
export async function checkShard(
  where: string,
  shard: Manifest['shards'][number],
  pieces?: readonly Uint8Array[],
): Promise<void> {
  const expected = shard.hash ?? contentHash(shard);
  const name: HashName = expected.startsWith('xxh64:') ? 'xxh64' : 'sha256';
  const hash = await createByteHash(name);
  for (const piece of pieces ?? []) hash.update(piece);
  const found = pieces === undefined ? await readable(where, () => hashFile(where, undefined, name)) : hash.content();
  if (found.hash !== expected)
    throw shardError({ where, message: 'is damaged or was overwritten: its checksum differs from the manifest' });
}

/** Returns the hash that identifies a shard's content in the fingerprint of a data set. */
export function contentHash({ sha256, hash }: Manifest['shards'][number]): string {
  return sha256 === undefined ? hash! : `sha256:${sha256}`;
}

function parseManifest(text: string, where: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw shardError({ where, message: 'is not JSON' }, error);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const key = path.map(String).join('.');
    throw shardError({ where, key, message: `is not a shard manifest: ${message}` }, parsed.error);
  }
  const { rows, shards, columns } = parsed.data;
  const sum = shards.reduce((total, shard) => total + shard.rows, 0);
  if (sum !== rows) throw shardError({ where, key: 'rows', message: `is ${rows}, but the shards have ${sum}` });
  const repeated = columns.find((each, i) => columns.findIndex((other) => other.name === each.name) !== i);
  if (repeated !== undefined)
    throw shardError({ where, key: 'columns', message: `'${repeated.name}' is listed twice` });
  return parsed.data;
}
