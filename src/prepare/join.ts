import type { RowBlock } from '../chunks/row-block.js';
import type { ColumnData, Columns } from './column-file.js';
import { countMissing } from './feature-columns.js';
import type { FieldPlan } from './fields.js';
import { lookUp, type IdTable } from './id-table.js';
import { NO_ID } from './jobs/encode-sessions.js';
import type { LoadedSessions } from './session-reader.js';

/** By field: values in the vocabulary, values outside it, and rows without a value. */
export interface Coverage {
  readonly known: readonly number[];
  readonly unknown: readonly number[];
  readonly missing: readonly number[];
}

/** Joins skeleton rows with their sessions and encodes them into a block, field by field. */
export interface Join {
  /**
   * Appends rows of a chunk. A row's own value of a field takes precedence over its session's.
   * @param sessions the session of each row
   */
  add(chunk: Columns, rows: Uint32Array, sessions: LoadedSessions): void;
  coverage(): Coverage;
}

/** Creates a join into a block with capacity for all added rows. */
export function createJoin(
  block: RowBlock,
  fields: readonly FieldPlan[],
  tables: readonly IdTable[],
  commonFields: readonly number[],
): Join {
  const known = fields.map(() => 0);
  const unknown = fields.map(() => 0);
  const missing = fields.map(() => 0);

  /** Offsets of each common field's words, per session. */
  const fieldStarts = ({ words, starts }: LoadedSessions): Uint32Array[] => {
    const ats = commonFields.map(() => new Uint32Array(starts.length));
    const kinds = commonFields.map((f) => fields[f]!);
    for (let s = 0; s < starts.length; s++) {
      let offset = starts[s]!;
      for (let c = 0; c < kinds.length; c++) {
        ats[c]![s] = offset;
        const { isBag, number } = kinds[c]!;
        offset += isBag ? 1 + 2 * words[offset]! : number === undefined ? 1 : 2;
      }
    }
    return ats;
  };

  return {
    add(chunk, rows, sessions) {
      const { places: indices } = sessions;
      const words = viewBits(sessions.words);
      const ats = fieldStarts(sessions);
      const first = block.rows;
      const end = first + rows.length;

      const addSingle = (f: number, offset: Uint32Array | undefined): void => {
        const { name, number } = fields[f]!;
        const own = chunk.get(name);
        const ids = viewBits(block.ids.get(name)!).subarray(first, end);
        const weights = number === undefined ? undefined : viewBits(block.numbers.get(number)!).subarray(first, end);
        if (offset === undefined) {
          ids.fill(MISSING);
          weights?.fill(0);
        } else {
          gather(words, offset, 0, indices, ids);
          if (weights !== undefined) gather(words, offset, 1, indices, weights);
        }
        if (own !== undefined) {
          const ownWeights = weights === undefined ? undefined : viewBits(chunk.get(`${name}.weights`)!);
          const missingId = countMissing(own);
          const table = tables[f]!;
          for (let r = 0; r < rows.length; r++) {
            const raw = own[rows[r]!]!;
            if (raw === missingId) continue;
            ids[r] = lookUp(table, raw);
            if (weights !== undefined) weights[r] = ownWeights![rows[r]!]!;
          }
        }
        let [numUnknown, numMissing] = [0, 0];
        for (let r = 0; r < ids.length; r++) {
          if (ids[r] === 0) numUnknown++;
          else if (ids[r] === MISSING) {
            numMissing++;
            ids[r] = 0;
          }
        }
        unknown[f]! += numUnknown;
        missing[f]! += numMissing;
        known[f]! += rows.length - numUnknown - numMissing;
      };

      const addBag = (f: number, offset: Uint32Array | undefined): void => {
        const { name } = fields[f]!;
        const own = chunk.get(`${name}.ids`);
        const ownOffsets = chunk.get(`${name}.offsets`);
        const table = tables[f]!;
        const bag = block.bags.get(name)!;
        const { offsets } = bag;
        const begin = offsets[first]!;
        let item = begin;
        let numMissing = 0;
        for (let r = 0; r < rows.length; r++) {
          const size = ownOffsets === undefined ? 0 : ownOffsets[rows[r]! + 1]! - ownOffsets[rows[r]!]!;
          const joined = size === 0 && offset !== undefined ? words[offset[indices[r]!]!]! : size;
          if (joined === 0) numMissing++;
          offsets[first + r + 1] = item += joined;
        }
        bag.reserve(item);
        const ids = viewBits(bag.ids);
        const weights = viewBits(bag.weights);
        if (offset !== undefined) copyBags(words, offset, indices, offsets.subarray(first, end + 1), ids, weights);
        if (own !== undefined) {
          const ownWeights = viewBits(chunk.get(`${name}.weights`)!);
          for (let r = 0; r < rows.length; r++) {
            const to = ownOffsets![rows[r]! + 1]!;
            for (let i = ownOffsets![rows[r]!]!, target = offsets[first + r]!; i < to; i++, target++) {
              ids[target] = lookUp(table, own[i]!);
              weights[target] = ownWeights[i]!;
            }
          }
        }
        let numUnknown = 0;
        for (let i = begin; i < item; i++) if (ids[i] === 0) numUnknown++;
        unknown[f]! += numUnknown;
        missing[f]! += numMissing;
        known[f]! += item - begin - numUnknown;
      };

      copyRows(chunk.get('click')!, rows, block.labels.get('click')!, first);
      copyRows(chunk.get('purchase')!, rows, block.labels.get('purchase')!, first);
      for (const [f, { isBag }] of fields.entries()) (isBag ? addBag : addSingle)(f, ats[commonFields.indexOf(f)]);
      block.rows += rows.length;
    },
    coverage: () => ({ known, unknown, missing }),
  };
}

/** NO_ID as a signed word. */
const MISSING = NO_ID | 0;

/** Views an array as signed words, which V8 moves fastest: one array type, no float conversion, no heap numbers. */
function viewBits({ buffer, byteOffset, length }: ColumnData): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

/** Copies, per row, the word of its session at an offset from the field's start. */
function gather(
  words: Int32Array,
  offset: Uint32Array,
  distance: number,
  indices: Uint32Array,
  target: Int32Array,
): void {
  // Per session first, for memory locality.
  const ofSessions = new Int32Array(offset.length);
  for (let s = 0; s < offset.length; s++) ofSessions[s] = words[offset[s]! + distance]!;
  for (let r = 0; r < target.length; r++) target[r] = ofSessions[indices[r]!]!;
}

/** Copies the bags of sessions whose size matches the row's; rows with their own bag are overwritten later. */
function copyBags(
  words: Int32Array,
  offset: Uint32Array,
  indices: Uint32Array,
  offsets: Uint32Array,
  ids: Int32Array,
  weights: Int32Array,
): void {
  for (let r = 0; r < offsets.length - 1; r++) {
    const from = offset[indices[r]!]! + 1;
    const size = words[from - 1]!;
    const target = offsets[r]!;
    if (offsets[r + 1]! - target !== size) continue;
    for (let i = 0; i < size; i++) {
      ids[target + i] = words[from + i]!;
      weights[target + i] = words[from + size + i]!;
    }
  }
}

function copyRows(from: ColumnData, rows: Uint32Array, to: Float32Array, first: number): void {
  for (let r = 0; r < rows.length; r++) to[first + r] = from[rows[r]!]!;
}
