import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { BlockColumn } from '../../chunks/row-block.js';
import { withSlashes } from '../../io/slashes.js';
import { ENTRY } from '../cache/entry.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import { countLeftOut, observing, type BadRow, type LeftOut, type RejectPolicy } from '../rows/rejects.js';
import type { Sampler } from '../rows/sampling.js';
import { writeShards, type ShardDetails, type ShardWriter } from '../shards/writer.js';

/** File of a cache entry with the invalid rows of its source, as JSON Lines. */
const REJECTS = 'rejects.jsonl';

/** A directory of the cache. */
export interface CacheFolder<Content> {
  readonly path: string;
  /** Path of the source. */
  readonly source: string;
  readonly columns: readonly BlockColumn[];
  /** Returns the text of the file that describes the directory. */
  entry(read: Content): string;
}

/** Result of writing rows. */
export interface WrittenRows<Content> extends Partial<Pick<ShardDetails, 'sizes' | 'vocabularies'>> {
  readonly read: Content;
  readonly leftOut?: LeftOut;
}

/** Adds rows, and passes the invalid ones to the policy. */
export type WriteRows<Content> = (policy: RejectPolicy, writer: ShardWriter) => Promise<WrittenRows<Content>>;

/** Writes rows to a directory of the cache, with the invalid rows of the source. */
export async function writeCacheFolder<Content>(
  { path, source, columns, entry }: CacheFolder<Content>,
  policy: RejectPolicy,
  write: WriteRows<Content>,
): Promise<void> {
  await writeShards(path, columns, async (writer) => {
    const rejects: BadRow[] = [];
    // The data may be moved later.
    const recording = observing(policy, (row) =>
      rejects.push({ ...row, path: withSlashes(relative(source, row.path)) }),
    );
    const {
      read,
      leftOut = new Map<string, number>(),
      sizes = new Map<string, number>(),
      vocabularies,
    } = await write(recording, writer);
    writer.addFile(REJECTS, rejects.map((row) => `${JSON.stringify(row)}\n`).join(''));
    writer.addFile(ENTRY, entry(read));
    return { sizes, ...(vocabularies && { vocabularies }), about: { leftOut: Object.fromEntries(leftOut) } };
  });
}

/**
 * Writes the rows of files.
 * @param sampler of negatives, if they are sampled
 * @returns the excluded rows
 * @throws UserError (data) for an invalid row that the policy does not skip
 */
export async function writeRows(
  batches: AsyncIterable<EncodedBatch>,
  policy: RejectPolicy,
  writer: ShardWriter,
  sampler: Sampler | undefined,
): Promise<LeftOut> {
  const leftOut = new Map<string, number>();
  for await (const { batch, begins, rejects, leftOut: more, keyTexts } of batches) {
    for (const row of rejects) policy.reject(row);
    countLeftOut(leftOut, more);
    writer.addKeyTexts(keyTexts);
    const sampled = sampler?.sample(batch, begins) ?? { batch, begins };
    await writer.add(sampled.batch, sampled.begins);
  }
  countLeftOut(leftOut, sampler?.leftOut ?? []);
  return leftOut;
}

/**
 * Passes the invalid rows of a directory's source to a policy.
 * @param path current path of the source
 */
export async function replayRejects(folder: string, path: string, policy: RejectPolicy): Promise<void> {
  const file = join(folder, REJECTS);
  // Most are empty, and a stat is faster than a read.
  if (statSync(file).size === 0) return;
  const text = await readFile(file, 'utf8');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    // mtl wrote the line.
    const row = JSON.parse(line) as BadRow;
    policy.reject({ ...row, path: row.path === '' ? path : join(path, row.path) });
  }
}
