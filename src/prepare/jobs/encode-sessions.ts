import { createColumnReader, writeColumns } from '../column-file.js';
import { missingOf } from '../feature-columns.js';
import type { FieldPlan } from '../fields.js';
import { lookUp, type IdTable } from '../id-table.js';
import { Growing } from './parse-lines.js';

/** A chunk of common features is encoded. */
export interface EncodeSessionsTask {
  readonly source: string;
  readonly target: string;
  /** Fields that occur in common features, and their vocabularies. */
  readonly fields: readonly FieldPlan[];
  readonly tables: readonly IdTable[];
}

/** In a session's words: there is no value of this field. */
export const NO_ID = 0xffffffff;

/**
 * Writes each session as words that can be read alone: `offsets` U32, one more than there are sessions, and `words` U32. For
 * every field in its order: an id (NO_ID where there is none), and its weight's bits where that is kept; of a bag the number
 * of values, their ids, and their weights' bits.
 * @throws UserError (disk)
 */
export async function encodeSessions({ source, target, fields, tables }: EncodeSessionsTask): Promise<void> {
  const columns = createColumnReader().read(source);
  const rows = columns.get('keys.offsets')!.length - 1;
  const offsets = new Uint32Array(rows + 1);
  const words = new Growing((length) => new Uint32Array(length));
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  const pushWeight = (weight: number): void => {
    float[0] = weight;
    words.push(bits[0]!);
  };
  const plans = fields.map(({ name, isBag, number }, f) => {
    const ids = columns.get(isBag ? `${name}.ids` : name);
    return {
      table: tables[f]!,
      ids,
      missing: ids === undefined ? 0 : missingOf(ids),
      bagOffsets: columns.get(`${name}.offsets`),
      weights: columns.get(`${name}.weights`),
      isBag,
      keepsWeight: number !== undefined,
    };
  });
  for (let row = 0; row < rows; row++) {
    for (const { table, ids, missing, bagOffsets, weights, isBag, keepsWeight } of plans) {
      if (isBag) {
        const begin = bagOffsets === undefined ? 0 : bagOffsets[row]!;
        const end = bagOffsets === undefined ? 0 : bagOffsets[row + 1]!;
        words.push(end - begin);
        for (let i = begin; i < end; i++) words.push(lookUp(table, ids![i]!));
        for (let i = begin; i < end; i++) pushWeight(weights![i]!);
      } else {
        const id = ids === undefined ? missing : ids[row]!;
        words.push(id === missing ? NO_ID : lookUp(table, id));
        if (keepsWeight) pushWeight(id === missing ? 0 : weights![row]!);
      }
    }
    offsets[row + 1] = words.length;
  }
  await writeColumns(target, new Map([['offsets', offsets], ['words', words.filled]]), {});
}
