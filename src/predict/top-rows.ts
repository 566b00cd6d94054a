import { didYouMean, joined, quoted, userError } from '../core/errors.js';
import type { Output } from '../evaluation/outputs.js';
import type { RowWriter, ScoredColumns } from './scored-rows.js';

/** What is asked for of the best rows. */
export interface RankOptions {
  /** Rows of a group. */
  readonly count: number;
  /** The column whose cells are the groups. */
  readonly by: string;
  /** The space that decides; the last where it is left out. */
  readonly rank?: string | undefined;
}

/** Which rows are the best, and among which. */
export interface TopOptions {
  /** Rows of a group that are kept. */
  readonly count: number;
  /** Kept column, and column of predictions, by their place. */
  readonly by: number;
  readonly rank: number;
}

/**
 * Finds what decides among the columns.
 * @throws UserError (usage) for a space that is none
 */
export function rankedBy(
  { count, by, rank }: RankOptions,
  columns: ScoredColumns,
  spaces: readonly Output[],
): TopOptions & { readonly notice: string } {
  const names = spaces.map(({ name }) => name);
  // The product down a funnel stands behind its parts.
  const name = rank ?? names.at(-1)!;
  if (!names.includes(name))
    throw userError('usage', {
      where: '--rank-by',
      message: joined(`expected one of ${names.join(', ')}, found ${quoted(name)}`, didYouMean(name, names)),
    });
  return {
    count,
    by: columns.kept.indexOf(by),
    rank: names.indexOf(name),
    notice: `the ${count} rows of each ${by} with the highest ${name}`,
  };
}

/** What a row holds that is kept. */
interface Row {
  readonly kept: readonly string[];
  readonly predictions: readonly number[];
}

/** Rows that are written at a time. */
const WRITE_ROWS = 4096;

/**
 * Lets pass the best rows of each group: groups in the order of their first rows, the best row first, and of equal ones
 * the one
 * that comes first. Holds as many rows as it lets pass. A row without a prediction is none of the best.
 */
export function topRows({ count, by, rank }: TopOptions, writer: RowWriter): RowWriter {
  const groups = new Map<string, Row[]>();
  return {
    write({ rows, kept, predictions }) {
      const groupOf = kept[by]!;
      const scores = predictions[rank]!;
      for (let row = 0; row < rows; row++) {
        const score = scores[row]!;
        if (Number.isNaN(score)) continue;
        let best = groups.get(groupOf[row]!);
        if (best === undefined) groups.set(groupOf[row]!, (best = []));
        else if (best.length === count && score <= best.at(-1)!.predictions[rank]!) continue;
        if (best.length === count) best.pop();
        const worse = firstWorse(best, rank, score);
        best.splice(worse, 0, {
          kept: kept.map((column) => column[row]!),
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
          kept: first.kept.map((_, c) => batch.map((row) => row.kept[c]!)),
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

/** Where the first of the rows stands that is worse: the rows are in order, so that it is found by halves. */
function firstWorse(rows: readonly Row[], rank: number, score: number): number {
  let [begin, end] = [0, rows.length];
  while (begin < end) {
    const middle = (begin + end) >> 1;
    if (rows[middle]!.predictions[rank]! < score) end = middle;
    else begin = middle + 1;
  }
  return begin;
}
