import { createColumnReader, writeColumns } from '../column-file.js';
import { countMissing } from '../feature-columns.js';
import type { FieldPlan } from '../fields.js';
import { lookUp, type IdTable } from '../id-table.js';

/** Encodes a chunk of common features. */
export interface EncodeSessionsTask {
  readonly source: string;
  readonly target: string;
  /** Fields of the common features, and their vocabularies. */
  readonly fields: readonly FieldPlan[];
  readonly tables: readonly IdTable[];
}

/** Missing value in a session's words. */
export const NO_ID = 0xffffffff;

/** Reused for every chunk of a thread, since the first touch of a page is expensive. */
const reader = createColumnReader();
let words = new Uint32Array(0);

/**
 * Writes sessions for random access: `offsets` U32 [sessions + 1] and `words` U32. Per field in order: an id (NO_ID if
 * missing) and the bits of its weight, if used; for a bag, the number of values, their ids and the bits of their
 * weights.
 * @throws UserError (disk)
 */
export async function encodeSessions({ source, target, fields, tables }: EncodeSessionsTask): Promise<void> {
  const columns = reader.read(source);
  const rows = columns.get('keys.offsets')!.length - 1;
  const offsets = new Uint32Array(rows + 1);
  const plans = fields.map(({ name, isBag, number }, f) => {
    const ids = columns.get(isBag ? `${name}.ids` : name);
    const weights = columns.get(`${name}.weights`);
    return {
      table: tables[f]!,
      ids,
      missing: ids === undefined ? 0 : countMissing(ids),
      bagOffsets: columns.get(`${name}.offsets`),
      weights: weights && new Uint32Array(weights.buffer, weights.byteOffset, weights.length),
      isBag,
      keepsWeight: number !== undefined,
    };
  });
  const most = plans.reduce(
    (sum, { isBag, ids, keepsWeight }) => sum + (isBag ? rows + 2 * (ids?.length ?? 0) : keepsWeight ? 2 * rows : rows),
    0,
  );
  if (words.length < most) words = new Uint32Array(Math.ceil(1.25 * most));
  const destination = words;
  let offset = 0;
  for (let row = 0; row < rows; row++) {
    for (const { table, ids, missing, bagOffsets, weights, isBag, keepsWeight } of plans) {
      if (isBag) {
        const begin = bagOffsets === undefined ? 0 : bagOffsets[row]!;
        const end = bagOffsets === undefined ? 0 : bagOffsets[row + 1]!;
        destination[offset++] = end - begin;
        for (let i = begin; i < end; i++) destination[offset++] = lookUp(table, ids![i]!);
        for (let i = begin; i < end; i++) destination[offset++] = weights![i]!;
      } else {
        const id = ids === undefined ? missing : ids[row]!;
        destination[offset++] = id === missing ? NO_ID : lookUp(table, id);
        if (keepsWeight) destination[offset++] = id === missing ? 0 : weights![row]!;
      }
    }
    offsets[row + 1] = offset;
  }
  // Written synchronously, so that the next chunk can reuse the memory.
  await writeColumns(
    target,
    new Map([
      ['offsets', offsets],
      ['words', destination.subarray(0, offset)],
    ]),
    {},
  );
}
