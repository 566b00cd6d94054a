import { join } from 'node:path';
import { createRowBlock, type RowBlock } from '../../chunks/row-block.js';
import { tensorsOf } from '../../data/shards/tensors.js';
import { ROWS_PER_SHARD } from '../../data/shards/writer.js';
import type { Content } from '../../io/byte-hash.js';
import { replace, writeDirect, writeFileAtomic, type FileDigest } from '../../io/disk.js';
import { writeSafetensors } from '../../io/safetensors.js';
import { createColumnReader } from '../column-file.js';
import { preparedColumns, type FieldPlan } from '../fields.js';
import type { IdTable } from '../id-table.js';
import { createJoin, type Coverage } from '../join.js';
import { createSessionReader, type SessionFiles, type SessionReader } from '../session-reader.js';
import { isOfValid, type ValidRows } from '../valid-rows.js';

/** Writes rows `begin` to `end` of a split as a shard. */
export interface WriteShardTask {
  readonly folder: string;
  readonly file: string;
  /** Target path of the shard's metadata; written last, so that it marks a complete shard. */
  readonly aboutPath: string;
  readonly begin: number;
  readonly end: number;
  /** Chunks of the skeleton, their first row, and their number of rows in the split. */
  readonly chunks: readonly { readonly path: string; readonly firstRow: number; readonly rows: number }[];
  /** The validation rows, and whether the split is the validation set. */
  readonly valid: ValidRows;
  readonly isValid: boolean;
  readonly sessions: SessionFiles;
  readonly fields: readonly FieldPlan[];
  readonly tables: readonly IdTable[];
  /** Indices of the fields in the common features. */
  readonly commonFields: readonly number[];
}

/** Metadata of a shard. */
export interface ShardAbout extends Coverage {
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly hash: string;
  readonly clicks: number;
  readonly purchases: number;
}

/** Blocks for reuse by the next shard with the same columns. */
const spare: { key: string; blocks: RowBlock[] } = { key: '', blocks: [] };
const reader = createColumnReader();
/** Cached reader of these sessions. */
const known: { key: string; sessions: SessionReader | undefined } = { key: '', sessions: undefined };
let chosen = new Uint32Array(0);

/**
 * Joins skeleton rows with their sessions, encodes them and writes a shard.
 * @throws UserError (disk; data for a broken intermediate file)
 */
export async function writeShard({
  folder,
  file,
  aboutPath,
  begin,
  end,
  chunks,
  valid,
  isValid,
  sessions,
  fields,
  tables,
  commonFields,
}: WriteShardTask): Promise<ShardAbout> {
  const columns = preparedColumns(fields);
  const key = JSON.stringify(columns);
  if (spare.key !== key) Object.assign(spare, { key, blocks: [] });
  const block = spare.blocks.pop() ?? createRowBlock(columns, ROWS_PER_SHARD);
  block.rows = 0;
  const joined = createJoin(block, fields, tables, commonFields);
  const sessionsKey = sessions.files.join('\n');
  if (known.key !== sessionsKey) Object.assign(known, { key: sessionsKey, sessions: createSessionReader(sessions) });
  const sessionReader = known.sessions!;
  try {
    let first = 0;
    for (const { path, firstRow, rows } of chunks) {
      const [from, to] = [Math.max(begin, first) - first, Math.min(end, first + rows) - first];
      first += rows;
      if (from >= to) continue;
      const chunk = reader.read(path);
      // Written as U32 by the job that parses.
      const rowSessions = chunk.get('session') as Uint32Array;
      if (chosen.length < rowSessions.length) chosen = new Uint32Array(rowSessions.length);
      let index = 0;
      let count = 0;
      for (let row = 0; row < rowSessions.length && index < to; row++) {
        if (isOfValid(valid, rowSessions[row]!, firstRow + row) === isValid && index++ >= from) chosen[count++] = row;
      }
      const shardRows = chosen.subarray(0, count);
      joined.add(chunk, shardRows, sessionReader.load(shardRows.map((row) => rowSessions[row]!)));
    }
  } finally {
    sessionReader.close();
  }
  let digest: (FileDigest & Content) | undefined;
  await replace(join(folder, file), async (temporary) => {
    digest = await writeSafetensors(temporary, tensorsOf(block, columns), undefined, writeDirect);
  });
  const sum = (labels: Float32Array): number =>
    labels.subarray(0, block.rows).reduce((total, label) => total + label, 0);
  const labels = { clicks: sum(block.labels.get('click')!), purchases: sum(block.labels.get('purchase')!) };
  const about: ShardAbout = { file, rows: block.rows, ...digest!, ...labels, ...joined.coverage() };
  if (spare.key === key) spare.blocks.push(block);
  await writeFileAtomic(aboutPath, JSON.stringify(about));
  return about;
}
