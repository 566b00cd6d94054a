import { expect } from 'vitest';
import { selectRows } from '../../src/chunks/row-block.js';
import { withColumns, type Batch } from '../../src/core/batch.js';
import type { Program } from '../../src/engines/engine.js';

/** Maximum difference of predictions by rankers and by rows. */
const TOLERANCE = 1e-6;

/** Returns rows of a batch by their indices, of some fields only. */
export function takeRows(batch: Batch, rows: readonly number[], isTaken: (field: string) => boolean): Batch {
  const columns = new Map([...batch.columns].filter(([field]) => isTaken(field)));
  return selectRows({ rows: batch.rows, columns }, rows);
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
  const whole = withColumns(ofUser, ofCandidates.columns);
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
