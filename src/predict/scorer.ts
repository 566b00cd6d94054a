import type { StreamedRows } from '../data/encoding/stream-rows.js';
import type { Program } from '../engines/engine.js';
import { userError } from '../errors.js';
import { predictionsOf, type Space } from '../evaluation/spaces.js';
import type { ScoredRows } from './scored-rows.js';

/** Predicts rows on their way through. */
export interface Scorer {
  /** @throws UserError (diverged) for a prediction that is not finite */
  score(rows: StreamedRows): Promise<ScoredRows>;
  /** Rows so far, those without a prediction among them. */
  readonly rows: number;
}

/** A scorer that gives a column a space. */
export function createScorer(program: Program, spaces: readonly Space[]): Scorer {
  let count = 0;
  return {
    get rows() {
      return count;
    },
    async score({ batch, kept, skipped }) {
      const byTask = batch.rows === 0 ? undefined : await program.predict(batch);
      const predictions = spaces.map((space) => {
        const values = byTask === undefined ? new Float32Array(0) : predictionsOf(space, byTask, batch.rows);
        if (values.some((value) => !Number.isFinite(value))) throw userError('diverged', { key: space.name, message: 'the model predicts numbers that are not finite', fix: 'train it with a lower learning rate' });
        return skipped.length === 0 ? values : withGaps(values, skipped);
      });
      const rows = batch.rows + skipped.length;
      count += rows;
      return { rows, kept, predictions };
    },
  };
}

/** The values with NaN for each row that has none. */
function withGaps(values: Float32Array, skipped: readonly number[]): Float32Array {
  const all = new Float32Array(values.length + skipped.length).fill(NaN);
  let from = 0;
  for (const [s, before] of [...skipped, values.length].entries()) {
    all.set(values.subarray(from, before), from + s);
    from = before;
  }
  return all;
}
