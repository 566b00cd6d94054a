import { readFile, rename } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST, type Manifest, type ShardColumn } from '../data/shards/manifest.js';
import type { IdCount } from '../data/shards/counts.js';
import { ROWS_PER_SHARD } from '../data/shards/writer.js';
import { onDisk, writeFileAtomic } from '../io/disk.js';
import { isWhole } from './column-file.js';
import { preparedColumns, type FieldPlan } from './fields.js';
import type { ShardAbout } from './jobs/write-shard.js';
import type { ParsedSplit } from './parse.js';
import type { Pool } from './pool.js';
import type { Progress } from './progress.js';
import type { SessionFiles } from './session-reader.js';
import type { Assignment, Vocabulary } from './vocabulary.js';
import { numbered, unfinished, type RawSplit, type Work } from './work.js';

/** Inputs of a split's shards. */
export interface SplitSource {
  readonly parsed: ParsedSplit;
  readonly assignment: Assignment;
  readonly sessions: SessionFiles;
  readonly commonFields: readonly number[];
}

/** Encodes the sessions of a raw split with the training vocabularies. */
export async function encodeSplit(
  work: Work,
  split: RawSplit,
  fields: readonly FieldPlan[],
  parsed: ParsedSplit,
  assignment: Assignment,
  vocabularies: readonly Vocabulary[],
  pool: Pool,
): Promise<SplitSource> {
  const occurring = new Set(parsed.common.flatMap(({ about }) => about.fields));
  const commonFields = fields.flatMap(({ name }, f) => (occurring.has(name) ? [f] : []));
  const tables = commonFields.map((f) => vocabularies[f]!.table);
  const target = ({ chunk }: ParsedSplit['common'][number]): string =>
    work.path('sessions', `${split}-${numbered(chunk.index)}`);
  const todo = unfinished(parsed.common, (part) => isWhole(target(part)), work);
  await pool.run(
    'encodeSessions',
    todo.map((part) => ({
      source: part.path,
      target: target(part),
      fields: commonFields.map((f) => fields[f]!),
      tables,
    })),
  );
  const firsts = [0];
  for (const { about } of parsed.common) firsts.push(firsts.at(-1)! + about.rows);
  return { parsed, assignment, sessions: { files: parsed.common.map(target), firsts }, commonFields };
}

/**
 * Writes a split as a directory of shards.
 * @param effort its total amount of work, for progress
 * @returns the metadata of each shard
 */
export async function writeSplit(
  work: Work,
  split: 'train' | 'valid' | 'test',
  fields: readonly FieldPlan[],
  source: SplitSource,
  vocabularies: readonly Vocabulary[],
  pool: Pool,
  progress: Progress,
  effort: number,
): Promise<ShardAbout[]> {
  const { parsed, assignment, sessions, commonFields } = source;
  const counts = split === 'valid' ? assignment.byChunk.valid : assignment.byChunk.train;
  const rows = counts.reduce((sum, count) => sum + count, 0);
  const folder = work.path('out', split);
  const target = join(work.out, split);
  let firstRow = 0;
  const chunks = parsed.skeleton.map(({ path, about }, c) => {
    const chunk = { path, firstRow, rows: counts[c]! };
    firstRow += about.rows;
    return chunk;
  });
  const common = {
    folder,
    chunks,
    valid: assignment.valid,
    isValid: split === 'valid',
    sessions,
    fields,
    tables: vocabularies.map(({ table }) => table),
    commonFields,
  } as const;
  const tasks = Array.from({ length: Math.ceil(rows / ROWS_PER_SHARD) }, (_, s) => ({
    ...common,
    file: `shard-${numbered(s, '.safetensors')}`,
    aboutPath: work.path('shards', `${split}-${numbered(s, '.json')}`),
    begin: s * ROWS_PER_SHARD,
    end: Math.min(rows, (s + 1) * ROWS_PER_SHARD),
  }));
  const todo = unfinished(tasks, ({ aboutPath }) => existsSync(aboutPath), work);
  progress.phase = `writing ${target}`;
  progress.skip((effort * (tasks.length - todo.length)) / Math.max(1, tasks.length));
  await pool.run('writeShard', todo, () => progress.add(effort / tasks.length));
  // Written by the job.
  const shards = await Promise.all(
    tasks.map(async ({ aboutPath }) => JSON.parse(await readFile(aboutPath, 'utf8')) as ShardAbout),
  );
  if (rows > 0 && work.peers.rank === 0 && !existsSync(target)) {
    const sizes = new Map(fields.map(({ name }, f) => [name, vocabularies[f]!.ids.length]));
    const columns = preparedColumns(fields).map(({ name, kind, width = 1 }): ShardColumn =>
      kind === 'id' || kind === 'bag'
        ? { name, kind, size: sizes.get(name)! }
        : kind === 'vector'
          ? { name, kind, width }
          : { name, kind },
    );
    const listed = shards.map(({ file, rows: count, bytes, sha256, hash }) => ({
      file,
      rows: count,
      bytes,
      sha256,
      hash,
    }));
    const manifest: Manifest = {
      format: 'mtl shards',
      version: 1,
      rows,
      columns,
      shards: listed,
      about: {
        split,
        vocabulary: '../vocabulary.safetensors',
        idCounts: idCounts(fields, shards),
        labelCounts: labelCounts(shards),
      },
    };
    await writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
    await onDisk(target, () => rename(folder, target));
  }
  return shards;
}

/** Sums a count over shards. */
export function total(shards: readonly ShardAbout[], of: (shard: ShardAbout) => number): number {
  return shards.reduce((sum, shard) => sum + of(shard), 0);
}

/** Number of positives per label. */
function labelCounts(shards: readonly ShardAbout[]): Record<string, number> {
  return { click: total(shards, ({ clicks }) => clicks), purchase: total(shards, ({ purchases }) => purchases) };
}

/** Number of ids or bag items per field, and how many are 0: OOV or missing. */
function idCounts(fields: readonly FieldPlan[], shards: readonly ShardAbout[]): Record<string, IdCount> {
  return Object.fromEntries(
    fields.map(({ name, isBag }, f) => {
      // A bag without items has no id.
      const unknown = total(shards, (shard) => shard.unknown[f]! + (isBag ? 0 : shard.missing[f]!));
      return [name, { ids: total(shards, (shard) => shard.known[f]!) + unknown, unknown }];
    }),
  );
}
