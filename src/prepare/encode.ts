import { gatherRows, reserveRows, appendRows, toWords, type BlockColumn, type RowBlock } from '../chunks/row-block.js';
import { column } from '../core/batch.js';
import type { Columns } from '../io/column-file.js';
import { missingId } from './feature-columns.js';
import { fieldColumns, type FieldPlan } from './fields.js';
import { lookUp, type IdTable } from '../features/vocabulary/id-table.js';

/** Encoded id of a row without a value, until rows are joined; as a signed word. */
const MISSING = -1;

/** Appends rows of raw ids to a block, which has capacity for them: ids as vocabulary indices. */
export function encodeRows(
  columns: Columns,
  rows: Uint32Array,
  fields: readonly FieldPlan[],
  tables: readonly IdTable[],
  block: RowBlock,
): void {
  for (const [f, field] of fields.entries())
    (field.isBag ? encodeBag : encodeId)(columns, rows, field, tables[f]!, block);
  block.rows += rows.length;
}

function encodeId(columns: Columns, rows: Uint32Array, field: FieldPlan, table: IdTable, block: RowBlock): void {
  const [first, end] = [block.rows, block.rows + rows.length];
  const ids = toWords(column(block, field.name, 'u32').data).subarray(first, end);
  const raw = columns.get(field.name);
  if (raw === undefined) ids.fill(MISSING);
  else {
    const missing = missingId(raw);
    for (let r = 0; r < rows.length; r++) {
      const id = raw[rows[r]!]!;
      ids[r] = id === missing ? MISSING : lookUp(table, id);
    }
  }
  if (field.number === undefined) return;
  const weights = column(block, field.number, 'f32').data.subarray(first, end);
  const rawWeights = columns.get(`${field.name}.weights`);
  if (rawWeights === undefined) weights.fill(0);
  else for (let r = 0; r < rows.length; r++) weights[r] = rawWeights[rows[r]!]!;
}

function encodeBag(columns: Columns, rows: Uint32Array, { name }: FieldPlan, table: IdTable, block: RowBlock): void {
  const bag = column(block, name, 'list');
  const { offsets } = bag;
  const first = block.rows;
  const rawOffsets = columns.get(`${name}.offsets`);
  if (rawOffsets === undefined) {
    offsets.fill(offsets[first]!, first + 1, first + rows.length + 1);
    return;
  }
  let item = offsets[first]!;
  for (let r = 0; r < rows.length; r++)
    offsets[first + r + 1] = item += rawOffsets[rows[r]! + 1]! - rawOffsets[rows[r]!]!;
  bag.reserve(item);
  const [ids, weights] = [toWords(bag.ids), bag.weights];
  const [raw, rawWeights] = [columns.get(`${name}.ids`)!, columns.get(`${name}.weights`)!];
  for (let r = 0; r < rows.length; r++) {
    const end = rawOffsets[rows[r]! + 1]!;
    for (let i = rawOffsets[rows[r]!]!, target = offsets[first + r]!; i < end; i++, target++) {
      ids[target] = lookUp(table, raw[i]!);
      weights[target] = rawWeights[i]!;
    }
  }
}

/**
 * Joins encoded rows with their sessions: a row without a value of a field takes its session's.
 * @param sessions encoded sessions, to which rows may be appended
 * @param indices index of the session of each row
 * @param commonFields fields of the sessions
 * @param ownFields names of the fields that the rows have values of
 */
export function joinSessions(
  block: RowBlock,
  sessions: RowBlock,
  indices: Uint32Array,
  commonFields: readonly FieldPlan[],
  ownFields: ReadonlySet<string>,
): void {
  const [count, numSessions] = [block.rows, sessions.rows];
  const columnsOf = (fields: readonly FieldPlan[]): BlockColumn[] => fields.flatMap(fieldColumns);
  const isOwn = ({ name }: FieldPlan): boolean => ownFields.has(name);
  gatherRows(sessions, columnsOf(commonFields.filter((field) => !isOwn(field))), indices, count, block);

  // Rows after the sessions, so that a row is gathered from its own values or from those of its session.
  const both = commonFields.filter(isOwn);
  reserveRows(sessions, columnsOf(both), numSessions + count);
  appendRows(block, columnsOf(both), 0, count, sessions);
  const order = new Uint32Array(count);
  for (const field of both) {
    const offsets = field.isBag ? column(block, field.name, 'list').offsets : undefined;
    const ids = offsets === undefined ? toWords(column(block, field.name, 'u32').data) : undefined;
    for (let r = 0; r < count; r++) {
      const hasValue = ids === undefined ? offsets![r] !== offsets![r + 1] : ids[r] !== MISSING;
      order[r] = hasValue ? numSessions + r : indices[r]!;
    }
    gatherRows(sessions, columnsOf([field]), order, count, block);
  }
}

/** Counts the rows without a value of each field, whose id becomes 0. */
export function countMissing(block: RowBlock, fields: readonly FieldPlan[]): number[] {
  return fields.map(({ name, isBag }) => {
    let count = 0;
    if (isBag) {
      const { offsets } = column(block, name, 'list');
      for (let r = 0; r < block.rows; r++) if (offsets[r] === offsets[r + 1]) count++;
      return count;
    }
    const ids = toWords(column(block, name, 'u32').data);
    for (let r = 0; r < block.rows; r++) {
      if (ids[r] !== MISSING) continue;
      ids[r] = 0;
      count++;
    }
    return count;
  });
}
