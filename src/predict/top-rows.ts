import { didYouMean, joined, quoted, userError } from '../core/errors.js';
import type { TypedValue } from '../chunks/column.js';
import type { Output } from '../evaluation/outputs.js';
import type { RowWriter, ScoredColumns } from './scored-rows.js';

/** Options of a ranking. */
export interface RankOptions {
  readonly count: number;
  /** Column that groups rows. */
  readonly by: string;
  /** Output to rank by; default: the last one. */
  readonly rank?: string | undefined;
}

/** Resolved options of a ranking. */
export interface TopOptions {
  readonly count: number;
  /** Indices of the group column and the prediction column. */
  readonly by: number;
  readonly rank: number;
}

/**
 * Resolves the columns of a ranking.
 * @throws UserError (usage) for an unknown output
 */
export function rankedBy(
  { count, by, rank }: RankOptions,
  columns: ScoredColumns,
  outputs: readonly Output[],
): TopOptions & { readonly warning: string } {
  const names = outputs.map(({ name }) => name);
  // The joint probability of a funnel comes after its factors.
  const name = rank ?? names.at(-1)!;
  if (!names.includes(name))
    throw userError('usage', {
      where: '--rank-by',
      message: joined(`expected one of ${names.join(', ')}, found ${quoted(name)}`, didYouMean(name, names)),
    });
  return {
    count,
    by: columns.inputs.indexOf(by),
    rank: names.indexOf(name),
    warning: `the ${count} rows of each ${by} with the highest ${name}`,
  };
}

interface Row {
  readonly inputs: readonly string[];
  readonly typed: readonly TypedValue[];
  readonly predictions: readonly number[];
}

const WRITE_ROWS = 4096;

/**
 * Passes through the top rows of each group: groups in order of their first row, rows by descending prediction, ties in
 * input order. Buffers only the rows it passes. Ignores rows without a prediction.
 */
export function topRows({ count, by, rank }: TopOptions, writer: RowWriter): RowWriter {
  const groups = new Map<string, Row[]>();
  return {
    write({ rows, inputs: inputColumns, typed, predictions }) {
      const groupValues = inputColumns[by]!;
      const scores = predictions[rank]!;
      for (let row = 0; row < rows; row++) {
        const score = scores[row]!;
        if (Number.isNaN(score)) continue;
        let best = groups.get(groupValues[row]!);
        if (best === undefined) groups.set(groupValues[row]!, (best = []));
        else if (best.length === count && score <= best.at(-1)!.predictions[rank]!) continue;
        if (best.length === count) best.pop();
        const worse = firstWorse(best, rank, score);
        best.splice(worse, 0, {
          inputs: inputColumns.map((column) => column[row]!),
          typed: typed.map((column) => column[row]!),
          predictions: predictions.map((column) => column[row]!),
        });
      }
      return Promise.resolve();
    },
    async end() {
      let batch: Row[] = [];
      const flush = async (): Promise<void> => {
        const [first] = batch;
        if (first === undefined) return;
        await writer.write({
          rows: batch.length,
          inputs: first.inputs.map((_, c) => batch.map((row) => row.inputs[c]!)),
          typed: first.typed.map((_, c) => batch.map((row) => row.typed[c]!)),
          predictions: first.predictions.map((_, c) => Float32Array.from(batch, (row) => row.predictions[c]!)),
        });
        batch = [];
      };
      for (const rows of groups.values()) {
        for (const row of rows) {
          batch.push(row);
          if (batch.length === WRITE_ROWS) await flush();
        }
      }
      await flush();
      await writer.end();
    },
  };
}

/** Returns the index of the first worse row, by binary search. */
function firstWorse(rows: readonly Row[], rank: number, score: number): number {
  let [begin, end] = [0, rows.length];
  while (begin < end) {
    const middle = (begin + end) >> 1;
    if (rows[middle]!.predictions[rank]! < score) end = middle;
    else begin = middle + 1;
  }
  return begin;
}
