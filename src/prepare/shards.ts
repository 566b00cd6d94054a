import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createRowBlock, type RowBlock } from '../chunks/row-block.js';
import { column } from '../core/batch.js';
import { countIds, countLabels, type IdCount } from '../data/shards/counts.js';
import { MANIFEST, type Manifest } from '../data/shards/manifest.js';
import { blockTensors } from '../data/shards/tensors.js';
import { ROWS_PER_SHARD, shardColumn } from '../data/shards/writer.js';
import { renameBusy } from '../io/busy.js';
import { onDisk, replace, writeDirect, writeFileAtomic } from '../io/disk.js';
import { writeSafetensors } from '../io/safetensors.js';
import { isValidRow, type Assignment, type ValidRows } from './assign-rows.js';
import { createColumnReader, readAbout, writeColumns } from '../io/column-file.js';
import { countMissing, encodeRows, joinSessions } from './encode.js';
import { preparedColumns, type FieldPlan } from './fields.js';
import type { IdTable } from '../features/vocabulary/id-table.js';
import type { ParsedSplit } from './parse.js';
import type { Job, Task } from '../system/job-pool.js';
import { SessionReader, type SessionFiles } from './session-file.js';
import { numbered, type Stages } from './stage.js';
import type { Vocabulary } from './vocabulary.js';

/** Splits of prepared data. */
export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];

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
  const tasks = Array.from({ length: Math.ceil(rows / ROWS_PER_SHARD) }, (_, s): WriteTask => ({
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
  await stages.run(WRITE, tasks, { phase: `writing ${target}`, units: tasks.map(() => units / tasks.length) });
  // Written by the job.
  const shards = tasks.map((task) => readAbout(task.target) as ShardAbout);
  if (rows > 0 && work.peers.rank === 0 && !existsSync(target)) {
    const manifest = createManifest(stages, split, shards, vocabularies);
    await writeFileAtomic(work.path('out', split, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
    await onDisk(target, () => renameBusy(work.path('out', split), target));
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
  const countField = (name: string): IdCount => ({
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
      sharedIds: Object.fromEntries(
        fields.flatMap(({ name, sharesIdsWith }) => (sharesIdsWith === undefined ? [] : [[name, sharesIdsWith]])),
      ),
      idCounts: Object.fromEntries(fields.map(({ name }) => [name, countField(name)])),
      labelCounts: { click: countLabel('click'), purchase: countLabel('purchase') },
    },
  };
}

/** Sums a number over items. */
export function sum<Item>(items: readonly Item[], numberOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0);
}

/** A chunk of a skeleton. */
interface SkeletonFile {
  readonly path: string;
  /** Index of its first row over all chunks. */
  readonly first: number;
  /** Number of its rows in the split. */
  readonly rows: number;
  /** Names of the fields that occur. */
  readonly fields: readonly string[];
}

/** Writes rows `begin` to `end` of a split as a shard. The target is its metadata, which marks a complete shard. */
interface WriteTask extends Task {
  readonly folder: string;
  readonly file: string;
  readonly begin: number;
  readonly end: number;
  readonly skeletonFiles: readonly SkeletonFile[];
  /** The validation rows, and whether the split is the validation set. */
  readonly valid: ValidRows;
  readonly isValid: boolean;
  readonly sessions: SessionFiles;
  readonly fields: readonly FieldPlan[];
  readonly tables: readonly IdTable[];
}

/** Metadata of a shard. */
export interface ShardAbout {
  /** Entry of the manifest. */
  readonly shard: Manifest['shards'][number];
  /** Number of ids or bag items by field, and how many are 0: OOV or missing. */
  readonly ids: Readonly<Record<string, IdCount>>;
  /** Rows without a value by field. */
  readonly missing: Readonly<Record<string, number>>;
  /** Number of positives by label. */
  readonly labels: Readonly<Record<string, number>>;
}

/** Writes shards in threads. */
export const WRITE: Job<WriteTask> = { name: 'write', run: writeShard };

/** Memory of a thread, reused since the first touch of a page is expensive. */
const reader = createColumnReader();
const spare: { key: string; blocks: RowBlock[] } = { key: '', blocks: [] };
const known: { key: string; sessions: SessionReader | undefined } = { key: '', sessions: undefined };
let chosen = new Uint32Array(0);
const rowSessions = new Uint32Array(ROWS_PER_SHARD);

/**
 * Joins skeleton rows with their sessions, encodes them and writes a shard.
 * @throws UserError (disk; data for a broken intermediate file)
 */
async function writeShard(task: WriteTask): Promise<void> {
  const { target, folder, file, fields } = task;
  const columns = preparedColumns(fields);
  const key = JSON.stringify(columns);
  if (spare.key !== key) Object.assign(spare, { key, blocks: [] });
  const block = spare.blocks.pop() ?? createRowBlock(columns, ROWS_PER_SHARD);
  fillBlock(task, block);
  const missing = countMissing(block, fields);
  const [ids, labels] = [new Map<string, IdCount>(), new Map<string, number>()];
  countIds(block, columns, ids);
  countLabels(block, columns, labels);
  let shard: ShardAbout['shard'] | undefined;
  await replace(join(folder, file), async (temporary) => {
    const { bytes, sha256, hash } = await writeSafetensors(
      temporary,
      blockTensors(block, columns),
      undefined,
      writeDirect,
    );
    shard = { file, rows: block.rows, bytes, sha256, hash };
  });
  if (spare.key === key) spare.blocks.push(block);
  const about: ShardAbout = {
    shard: shard!,
    ids: Object.fromEntries(ids),
    missing: Object.fromEntries(fields.map(({ name }, f) => [name, missing[f]!])),
    labels: Object.fromEntries(labels),
  };
  writeColumns(target, [], about);
}

/** Fills a block with the joined rows of a shard. */
function fillBlock(task: WriteTask, block: RowBlock): void {
  const { begin, end, skeletonFiles, fields, tables, sessions } = task;
  const ownFields = new Set<string>();
  block.rows = 0;
  let first = 0;
  for (const file of skeletonFiles) {
    const [from, to] = [Math.max(begin, first) - first, Math.min(end, first + file.rows) - first];
    first += file.rows;
    if (from >= to) continue;
    const chunk = reader.read(file.path);
    // Written as U32 by the job that parses.
    const all = chunk.get('session') as Uint32Array;
    const rows = chooseRows(task, file, all, from, to);
    copyRows(all, rows, rowSessions, block.rows);
    for (const label of ['click', 'purchase'])
      copyRows(chunk.get(label)!, rows, column(block, label, 'f32').data, block.rows);
    encodeRows(chunk, rows, fields, tables, block);
    for (const field of file.fields) ownFields.add(field);
  }
  const sessionsKey = sessions.files.join('\n');
  if (known.key !== sessionsKey) Object.assign(known, { key: sessionsKey, sessions: new SessionReader(sessions) });
  const sessionReader = known.sessions!;
  try {
    const loaded = sessionReader.load(rowSessions.subarray(0, block.rows));
    joinSessions(block, loaded.block, loaded.indices, sessions.fields, ownFields);
  } finally {
    sessionReader.close();
  }
}

/** Returns rows `from` to `to` of a chunk's rows in the split; valid until the next call. */
function chooseRows(
  { valid, isValid }: WriteTask,
  { first }: SkeletonFile,
  sessions: Uint32Array,
  from: number,
  to: number,
): Uint32Array {
  if (chosen.length < to - from) chosen = new Uint32Array(ROWS_PER_SHARD);
  let index = 0;
  let count = 0;
  for (let row = 0; index < to; row++)
    if (isValidRow(valid, sessions[row]!, first + row) === isValid && index++ >= from) chosen[count++] = row;
  return chosen.subarray(0, count);
}

function copyRows(from: ArrayLike<number>, rows: Uint32Array, target: Uint32Array | Float32Array, first: number): void {
  for (let r = 0; r < rows.length; r++) target[first + r] = from[rows[r]!]!;
}
