import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { contentSchema, createByteHash, hashFile, type HashName } from '../../io/byte-hash.js';
import { systemCode, userError } from '../../core/errors.js';
import { checkDataFile } from '../readers/regular-data.js';

/** What makes a folder one of shards; written last, so that a folder with it is whole. */
export const MANIFEST = 'manifest.json';

const count = z.int().min(0);
/** A file of the folder itself. */
const fileName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'the name of a file in this directory');

const columnSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    name: z.string(),
    kind: z.literal('id'),
    size: z
      .int()
      .min(1)
      .max(2 ** 31),
    vocabulary: fileName.optional(),
  }),
  z.strictObject({
    name: z.string(),
    kind: z.literal('bag'),
    size: z
      .int()
      .min(1)
      .max(2 ** 31),
    vocabulary: fileName.optional(),
  }),
  z.strictObject({ name: z.string(), kind: z.literal('number') }),
  z.strictObject({ name: z.string(), kind: z.literal('label') }),
  z.strictObject({ name: z.string(), kind: z.literal('vector'), width: z.int().min(1) }),
  z.strictObject({ name: z.string(), kind: z.literal('key') }),
]);

const shardSchema = z
  .strictObject({
    file: fileName,
    rows: count,
    /** Number of its first row in the file; default: 0. Several shards may share a file. */
    first: count.optional(),
    bytes: count,
    /** Of shards that were written for others than the next run. */
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    /**
     * What the bytes are held to when they are read; manifests of before have only the SHA-256, which takes five times
     * as long.
     */
    hash: contentSchema.shape.hash.optional(),
  })
  .refine(({ sha256, hash }) => sha256 !== undefined || hash !== undefined, 'a shard without a hash');

const manifestSchema = z.strictObject({
  format: z.literal('mtl shards'),
  version: z.literal(1),
  rows: count,
  columns: z.array(columnSchema),
  shards: z.array(shardSchema),
  /** What the writer wants to be known: where the rows come from, how they were made. */
  about: z.record(z.string(), z.unknown()).default({}),
});

/**
 * A column as the manifest tells it: ids are below `size`; `vocabulary` names a file of texts, that of id i at place i.
 */
export type ShardColumn = z.output<typeof columnSchema>;

/** What is in a folder of shards. */
export type Manifest = z.output<typeof manifestSchema>;

/** What to do about a folder that is broken. */
const FIX = "recreate the shards; for the cache, run 'mtl data clean' and the next run rebuilds it";

/** What broken shards are an error of. */
export const BLAME_DATA = { kind: 'data', fix: FIX } as const;

/**
 * Reads the manifest of a folder, and checks that every shard is there with all its bytes.
 * @returns undefined where the folder has no manifest
 * @throws UserError (data) for a manifest that is none, and shards that are missing or cut short
 */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, MANIFEST);
  checkDataFile(path);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw userError('data', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
  }
  const manifest = parseManifest(text, path);
  for (const [file, { bytes }] of new Map(manifest.shards.map((shard) => [shard.file, shard]))) {
    const size = sizeOf(join(folder, file));
    const found = size === undefined ? 'is missing' : `has ${size} bytes`;
    if (size !== bytes)
      throw userError('data', {
        where: join(folder, file),
        message: `expected ${bytes} bytes as in the manifest; the file ${found}`,
        fix: FIX,
      });
  }
  return manifest;
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch {
    return undefined;
  }
}

/**
 * Reads a shard and holds all of its bytes to the manifest.
 * @throws UserError (data)
 */
export async function checkShard(folder: string, shard: Manifest['shards'][number]): Promise<void> {
  const path = join(folder, shard.file);
  const { hash } = await hashFile(path, undefined, hashNameOf(shard)).catch((error: unknown) => {
    throw userError('data', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
  });
  checkHash(path, shard, hash);
}

/**
 * Holds bytes that were read already, all of a shard's in their order, to the manifest.
 * @throws UserError (data)
 */
export async function checkBytes(
  folder: string,
  shard: Manifest['shards'][number],
  pieces: readonly Uint8Array[],
): Promise<void> {
  const hash = await createByteHash(hashNameOf(shard));
  for (const piece of pieces) hash.update(piece);
  checkHash(join(folder, shard.file), shard, hash.content().hash);
}

function hashNameOf({ hash }: Manifest['shards'][number]): HashName {
  return hash?.startsWith('xxh64:') === true ? 'xxh64' : 'sha256';
}

/** The hash that stands for a shard's bytes among what a run was trained on. */
export function contentHashOf({ sha256, hash }: Manifest['shards'][number]): string {
  return sha256 === undefined ? hash! : `sha256:${sha256}`;
}

function checkHash(where: string, shard: Manifest['shards'][number], found: string): void {
  if (found !== (shard.hash ?? contentHashOf(shard)))
    throw userError('data', {
      where,
      message: 'is damaged or was overwritten: its checksum differs from the manifest',
      fix: FIX,
    });
}

function parseManifest(text: string, path: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw userError('data', { where: path, message: 'is not JSON', fix: FIX }, error);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const key = issue!.path.map(String).join('.');
    throw userError(
      'data',
      { where: path, key, message: `is not a shard manifest: ${issue!.message}`, fix: FIX },
      parsed.error,
    );
  }
  const { rows, shards, columns } = parsed.data;
  const sum = shards.reduce((total, shard) => total + shard.rows, 0);
  if (sum !== rows)
    throw userError('data', { where: path, key: 'rows', message: `is ${rows}, but the shards have ${sum}`, fix: FIX });
  const twice = columns.find(({ name }, i) => columns.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined)
    throw userError('data', { where: path, key: 'columns', message: `'${twice.name}' is listed twice`, fix: FIX });
  return parsed.data;
}
