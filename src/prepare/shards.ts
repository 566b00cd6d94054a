import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { IdCounts } from '../data/shards/id-counts.js';
import { LABEL_COUNTS } from '../data/shards/label-counts.js';
import { MANIFEST, type Manifest } from '../data/shards/manifest.js';
import { ROWS_PER_SHARD, shardColumn } from '../data/shards/writer.js';
import { onDisk, writeFileAtomic } from '../io/disk.js';
import type { Assignment } from './assign-rows.js';
import { readAbout } from './column-file.js';
import { preparedColumns } from './fields.js';
import type { ShardAbout, WriteShardTask } from './jobs/write-shard.js';
import type { ParsedSplit } from './parse.js';
import type { SessionFiles } from './session-file.js';
import type { Stages } from './stage.js';
import type { Vocabulary } from './vocabulary.js';
import { numbered, type RawSplit } from './work.js';

/** Splits of prepared data. */
export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** Encodes the sessions of a raw split with the training vocabularies. */
export async function encodeSplit(
  stages: Stages,
  split: RawSplit,
  { common }: ParsedSplit,
  vocabularies: readonly Vocabulary[],
): Promise<SessionFiles> {
  const occurring = new Set(common.flatMap(({ about }) => about.fields));
  const fields = stages.fields.filter(({ name }) => occurring.has(name));
  const tables = vocabularies.flatMap(({ table }, f) => (occurring.has(stages.fields[f]!.name) ? [table] : []));
  const tasks = common.map(({ chunk, path }) => ({
    target: stages.work.path('sessions', `${split}-${numbered(chunk.index)}`),
    source: path,
    fields,
    tables,
  }));
  await stages.run('encodeSessions', tasks);
  const firsts = [0];
  for (const { about } of common) firsts.push(firsts.at(-1)! + about.rows);
  return { files: tasks.map(({ target }) => target), firsts, fields };
}

/**
 * Writes a split as a directory of shards.
 * @param units its effort
 * @returns the metadata of each shard
 */
export async function writeSplit(
  stages: Stages,
  split: Split,
  { skeleton }: ParsedSplit,
  { valid, byChunk }: Assignment,
  sessions: SessionFiles,
  vocabularies: readonly Vocabulary[],
  units: number,
): Promise<ShardAbout[]> {
  const { work, fields } = stages;
  const counts = split === 'valid' ? byChunk.valid : byChunk.train;
  const rows = sum(counts, (count) => count);
  let first = 0;
  const skeletonFiles = skeleton.map(({ path, about }, c) => {
    first += about.rows;
    return { path, first: first - about.rows, rows: counts[c]!, fields: about.fields };
  });
  const tasks = Array.from({ length: Math.ceil(rows / ROWS_PER_SHARD) }, (_, s): WriteShardTask => ({
    target: work.path('shards', `${split}-${numbered(s)}`),
    folder: work.path('out', split),
    file: `shard-${numbered(s, '.safetensors')}`,
    begin: s * ROWS_PER_SHARD,
    end: Math.min(rows, (s + 1) * ROWS_PER_SHARD),
    skeletonFiles,
    valid,
    isValid: split === 'valid',
    sessions,
    fields,
    tables: vocabularies.map(({ table }) => table),
  }));
  const target = join(work.out, split);
  await stages.run('writeShard', tasks, { phase: `writing ${target}`, units: tasks.map(() => units / tasks.length) });
  // Written by the job.
  const shards = tasks.map((task) => readAbout(task.target) as ShardAbout);
  if (rows > 0 && work.peers.rank === 0 && !existsSync(target)) {
    const manifest = createManifest(stages, split, shards, vocabularies);
    await writeFileAtomic(work.path('out', split, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
    await onDisk(target, () => rename(work.path('out', split), target));
  }
  return shards;
}

function createManifest(
  { fields }: Stages,
  split: Split,
  shards: readonly ShardAbout[],
  vocabularies: readonly Vocabulary[],
): Manifest {
  const sizes = new Map(fields.map(({ name }, f) => [name, vocabularies[f]!.ids.length]));
  const countIds = (name: string): IdCounts[string] => ({
    ids: sum(shards, ({ ids }) => ids[name]!.ids),
    unknown: sum(shards, ({ ids }) => ids[name]!.unknown),
  });
  const countLabel = (name: string): number => sum(shards, ({ labels }) => labels[name]!);
  return {
    format: 'mtl shards',
    version: 1,
    rows: sum(shards, ({ shard }) => shard.rows),
    columns: preparedColumns(fields).map((column) => shardColumn(column, { sizes }, undefined)),
    shards: shards.map(({ shard }) => shard),
    about: {
      split,
      vocabulary: '../vocabulary.safetensors',
      idCounts: Object.fromEntries(fields.map(({ name }) => [name, countIds(name)])),
      [LABEL_COUNTS]: { click: countLabel('click'), purchase: countLabel('purchase') },
    },
  };
}

/** Sums a number over items. */
export function sum<Item>(items: readonly Item[], numberOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0);
}
