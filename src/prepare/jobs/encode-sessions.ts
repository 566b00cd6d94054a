import { createRowBlock, reserveRows, type RowBlock } from '../../chunks/row-block.js';
import { createColumnReader } from '../column-file.js';
import { encodeRows } from '../encode.js';
import { fieldColumns, type FieldPlan } from '../fields.js';
import type { IdTable } from '../id-table.js';
import { writeSessions } from '../session-file.js';

/** Encodes a chunk of common features. */
export interface EncodeSessionsTask {
  readonly target: string;
  readonly source: string;
  /** Fields of the common features, and their vocabularies. */
  readonly fields: readonly FieldPlan[];
  readonly tables: readonly IdTable[];
}

/** Reused for every chunk of a thread, since the first touch of a page is expensive. */
const reader = createColumnReader();
const reused: { key: string; block: RowBlock } = { key: '', block: createRowBlock([], 0) };

/** Writes the sessions of a chunk with vocabulary indices. @throws UserError (disk) */
export function encodeSessions({ target, source, fields, tables }: EncodeSessionsTask): void {
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
