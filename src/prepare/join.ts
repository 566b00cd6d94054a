import { reserveItems } from '../data/rows/bag-buffer.js';
import type { RowBlock } from '../data/rows/row-block.js';
import type { ColumnData, Columns } from './column-file.js';
import { missingOf } from './feature-columns.js';
import type { FieldPlan } from './fields.js';
import { lookUp, type IdTable } from './id-table.js';
import { NO_ID } from './jobs/encode-sessions.js';
import type { LoadedSessions } from './session-reader.js';

/** By field: values that the vocabulary has, values that it has not, and rows without a value. */
export interface Coverage {
  readonly known: readonly number[];
  readonly unknown: readonly number[];
  readonly missing: readonly number[];
}

/** Rows of a skeleton on their way into a block, joined with their sessions and encoded, a field at a time. */
export interface Join {
  /**
   * Appends rows of a chunk. A field that a row names itself is not taken from its session.
   * @param sessions those of the rows, in their order
   */
  add(chunk: Columns, rows: Uint32Array, sessions: LoadedSessions): void;
  coverage(): Coverage;
}

/** A join into a block that has room for all rows that are added. */
export function createJoin(block: RowBlock, fields: readonly FieldPlan[], tables: readonly IdTable[], commonFields: readonly number[]): Join {
  const known = fields.map(() => 0);
  const unknown = fields.map(() => 0);
  const missing = fields.map(() => 0);

  /** By place of a session and by field of the common ones: where the field's words begin. */
  const fieldStarts = ({ words, starts }: LoadedSessions): Uint32Array => {
    const width = commonFields.length;
    const ats = new Uint32Array(starts.length * width);
    for (let s = 0; s < starts.length; s++) {
      let at = starts[s]!;
      for (let c = 0; c < width; c++) {
        ats[s * width + c] = at;
        const { isBag, number } = fields[commonFields[c]!]!;
        at += isBag ? 1 + 2 * words[at]! : number === undefined ? 1 : 2;
      }
    }
    return ats;
  };

  return {
    add(chunk, rows, sessions) {
      const { words, places } = sessions;
      const width = commonFields.length;
      const ats = fieldStarts(sessions);
      const floats = new Float32Array(words.buffer);
      const first = block.rows;

      const addSingle = (f: number, common: number): void => {
        const { name, number } = fields[f]!;
        const own = chunk.get(name);
        const ownWeights = chunk.get(`${name}.weights`);
        const missingId = own === undefined ? 0 : missingOf(own);
        const table = tables[f]!;
        const ids = block.ids.get(name)!;
        const numbers = number === undefined ? undefined : block.numbers.get(number)!;
        let [numKnown, numMissing] = [0, 0];
        for (let r = 0; r < rows.length; r++) {
          const row = rows[r]!;
          const raw = own === undefined ? missingId : own[row]!;
          const at = common < 0 || raw !== missingId ? -1 : ats[places[r]! * width + common]!;
          const isMissing = raw === missingId && (at < 0 || words[at] === NO_ID);
          const id = isMissing ? 0 : raw === missingId ? words[at]! : lookUp(table, raw);
          ids[first + r] = id;
          if (id > 0) numKnown++;
          if (isMissing) numMissing++;
          if (numbers !== undefined) numbers[first + r] = isMissing ? 0 : raw === missingId ? floats[at + 1]! : ownWeights![row]!;
        }
        known[f]! += numKnown;
        missing[f]! += numMissing;
        unknown[f]! += rows.length - numKnown - numMissing;
      };

      const addBag = (f: number, common: number): void => {
        const { name } = fields[f]!;
        const own = chunk.get(`${name}.ids`);
        const ownOffsets = chunk.get(`${name}.offsets`);
        const ownWeights = chunk.get(`${name}.weights`);
        const table = tables[f]!;
        const bag = block.bags.get(name)!;
        let [numKnown, numMissing] = [0, 0];
        let item = bag.offsets[first]!;
        const begin = item;
        for (let r = 0; r < rows.length; r++) {
          const row = rows[r]!;
          const from = ownOffsets === undefined ? 0 : ownOffsets[row]!;
          const to = ownOffsets === undefined ? 0 : ownOffsets[row + 1]!;
          const at = common < 0 || from < to ? -1 : ats[places[r]! * width + common]!;
          const size = at < 0 ? to - from : words[at]!;
          if (item + size > bag.ids.length) reserveItems(bag, item + size);
          const { ids, weights } = bag;
          for (let i = 0; i < size; i++, item++) {
            const id = at < 0 ? lookUp(table, own![from + i]!) : words[at + 1 + i]!;
            ids[item] = id;
            weights[item] = at < 0 ? ownWeights![from + i]! : floats[at + 1 + size + i]!;
            if (id > 0) numKnown++;
          }
          if (size === 0) numMissing++;
          bag.offsets[first + r + 1] = item;
        }
        known[f]! += numKnown;
        missing[f]! += numMissing;
        unknown[f]! += item - begin - numKnown;
      };

      copyRows(chunk.get('click')!, rows, block.labels.get('click')!, first);
      copyRows(chunk.get('purchase')!, rows, block.labels.get('purchase')!, first);
      for (const [f, { isBag }] of fields.entries()) (isBag ? addBag : addSingle)(f, commonFields.indexOf(f));
      block.rows += rows.length;
    },
    coverage: () => ({ known, unknown, missing }),
  };
}

function copyRows(from: ColumnData, rows: Uint32Array, to: Float32Array, first: number): void {
  for (let r = 0; r < rows.length; r++) to[first + r] = from[rows[r]!]!;
}
