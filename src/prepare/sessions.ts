import { createRowBlock, reserveRows, type RowBlock } from '../chunks/row-block.js';
import { createColumnReader } from '../io/column-file.js';
import { encodeRows } from './encode.js';
import { fieldColumns, type FieldPlan } from './fields.js';
import type { IdTable } from '../features/vocabulary/id-table.js';
import type { ParsedSplit } from './parse.js';
import type { Job, Task } from '../system/job-pool.js';
import { writeSessions, type SessionFiles } from './session-file.js';
import { numbered, type Stages } from './stage.js';
import type { Vocabulary } from './vocabulary.js';
import type { RawSplit } from './work.js';

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
  await stages.run(ENCODE, tasks);
  const firsts = [0];
  for (const { about } of common) firsts.push(firsts.at(-1)! + about.rows);
  return { files: tasks.map(({ target }) => target), firsts, fields };
}

/** Encodes a chunk of common features. */
interface EncodeTask extends Task {
  readonly source: string;
  /** Fields of the common features, and their vocabularies. */
  readonly fields: readonly FieldPlan[];
  readonly tables: readonly IdTable[];
}

/** Encodes sessions in threads. */
export const ENCODE: Job<EncodeTask> = { name: 'encode', run: encodeSessions };

/** Reused for every chunk of a thread, since the first touch of a page is expensive. */
const reader = createColumnReader();
const reused: { key: string; block: RowBlock } = { key: '', block: createRowBlock([], 0) };

/** Writes the sessions of a chunk with vocabulary indices. @throws UserError (disk) */
function encodeSessions({ target, source, fields, tables }: EncodeTask): void {
  const columns = fields.flatMap(fieldColumns);
  const key = JSON.stringify(columns);
  if (reused.key !== key) Object.assign(reused, { key, block: createRowBlock(columns, 0) });
  const { block } = reused;
  block.rows = 0;
  const raw = reader.read(source);
  const rows = Uint32Array.from({ length: raw.get('keys.offsets')!.length - 1 }, (_, row) => row);
  reserveRows(block, columns, rows.length);
  encodeRows(raw, rows, fields, tables, block);
  writeSessions(target, block, fields);
}
