import { expect } from 'vitest';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import type { Program } from '../../src/engines/engine.js';

/** Maximum difference of predictions by rankers and by rows. */
const TOLERANCE = 1e-6;

/** Returns rows of a batch by their indices, of some fields only. */
export function takeRows(batch: Batch, rows: readonly number[], isTaken: (field: string) => boolean): Batch {
  const pick = <Data extends Uint32Array | Float32Array>(data: Data, width = 1): Data => {
    const picked = rows.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]);
    return (data instanceof Uint32Array ? Uint32Array.from(picked) : Float32Array.from(picked)) as Data;
  };
  const bagOf = ({ offsets, ids, weights }: BagColumn): BagColumn => {
    const items = rows.map((row) =>
      Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, i) => offsets[row]! + i),
    );
    const ends = items.map(({ length }, r) => length + items.slice(0, r).reduce((sum, each) => sum + each.length, 0));
    return {
      offsets: Uint32Array.of(0, ...ends),
      ids: Uint32Array.from(items.flat(), (i) => ids[i]!),
      weights: Float32Array.from(items.flat(), (i) => weights[i]!),
    };
  };
  const taken = <Data>(columns: ReadonlyMap<string, Data> | undefined, of: (data: Data) => Data): Map<string, Data> =>
    new Map([...(columns ?? [])].filter(([field]) => isTaken(field)).map(([field, data]) => [field, of(data)]));
  return {
    rows: rows.length,
    ids: taken(batch.ids, pick),
    numbers: taken(batch.numbers, pick),
    vectors: taken(batch.vectors, ({ width, data }) => ({ width, data: pick(data, width) })),
    bags: taken(batch.bags, bagOf),
    labels: new Map(),
  };
}

/**
 * Expects a ranker to predict rows of a batch as candidates of its user `user` like whole rows, which have the
 * candidates' fields and that user's others.
 * @param candidates indices of rows
 */
export function expectRanked(
  program: Program,
  batch: Batch,
  candidateFields: ReadonlySet<string>,
  user: number,
  candidates: readonly number[],
): void {
  const ranker = program.createRanker!(candidateFields);
  const ofUser = takeRows(
    batch,
    candidates.map(() => user),
    (field) => !candidateFields.has(field),
  );
  const ofCandidates = takeRows(batch, candidates, (field) => candidateFields.has(field));
  const whole: Batch = {
    rows: candidates.length,
    ids: new Map([...ofUser.ids, ...ofCandidates.ids]),
    numbers: new Map([...ofUser.numbers, ...ofCandidates.numbers]),
    vectors: new Map([...ofUser.vectors!, ...ofCandidates.vectors!]),
    bags: new Map([...ofUser.bags, ...ofCandidates.bags]),
    labels: new Map(),
  };
  const every = candidates.map((_, row) => row);
  ranker.setUser(takeRows(batch, [user], (field) => !ranker.candidateFields.has(field)));
  const found = ranker.predict(takeRows(whole, every, (field) => ranker.candidateFields.has(field)));
  const expected = program.predictSync!(whole);
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [task, values] of expected)
    for (const [row, value] of values.entries())
      if (!(Math.abs(found.get(task)![row]! - value) <= TOLERANCE * Math.max(1, Math.abs(value))))
        expect({ task, row, value: found.get(task)![row] }).toEqual({ task, row, value });
}

/** Lists the subsets of some fields. */
export function subsetsOf(fields: readonly string[]): readonly ReadonlySet<string>[] {
  return Array.from({ length: 2 ** fields.length }, (_, bits) => new Set(fields.filter((__, f) => (bits >> f) & 1)));
}
