import { column, type Batch } from '../../src/core/batch.js';
import type { Plan } from '../../src/engines/engine.js';
import { compile } from '../../src/engines/simd/compile.js';
import type { Exchanged, Exchanges } from '../../src/engines/simd/kernels.js';
import { partOf } from '../../src/engines/simd/part-of.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';

// What a step costs that N processes take together, from what is known before it is taken:
//   time = work of a process + for each exchange, latency + bytes / bandwidth

/** What a step of several processes exchanges depends on. */
export interface StepShape {
  readonly processes: number;
  /** Numbers of all dense weights, and of those whose gradients pass while others are computed. */
  readonly weights: number;
  readonly early: number;
  readonly terms: number;
  /** Sums of batch norms in a step, by exchange: how many doubles. */
  readonly sums: readonly number[];
  /** Numbers of columns that losses compare rows in, which a process has in a step, by exchange. */
  readonly columns: readonly number[];
  /**
   * Tables that are dealt out, and of their distinct rows that a process looks up those that lie with others; and the
   * numbers in these rows.
   */
  readonly dealt: Counted;
  /** Tables that each has, and all distinct rows of them that a process looks up. */
  readonly small: Counted;
}

interface Counted {
  readonly tables: number;
  readonly rows: number;
  readonly numbers: number;
}

/** What a process does in a step, in ms. */
export interface Work {
  readonly workMs: number;
  /** Between the begin of a sum of gradients and the point where it is waited for. */
  readonly meanwhileMs: number;
}

/**
 * A link between processes: milliseconds of an exchange in which each sends so many bytes to each of so many others,
 * and receives as many.
 */
export type Link = (bytes: number, others: number) => number;

/**
 * The shape of a plan's steps on some batches: means over processes and batches.
 * @param ranks the processes that count, all of them if left out
 */
export function shapeOf(
  plan: Plan,
  batches: readonly Batch[],
  processes: number,
  ranks: readonly number[] = Array.from({ length: processes }, (_, r) => r),
): StepShape {
  const { tables, places, areas, lists, allRows, running, early } = compile({
    ...plan,
    peers: { ...SINGLE_PROCESS, size: processes },
  });
  const share = 1 / (batches.length * ranks.length);
  const ownRows = batches
    .flatMap((batch) => ranks.map((rank) => partOf(rank, processes, batch.rows).rows))
    .reduce((sum, rows) => sum + rows * share, 0);
  const argumentsOf = (exchange: keyof Exchanges): readonly (readonly number[])[] =>
    lists.pass.flatMap(({ kernel, args }) => (kernel === exchange ? [args] : []));
  const countedOf = (isDealt: boolean): Counted => {
    const counted = tables.all.filter((table) => table.isDealt === isDealt);
    let [rows, numbers] = [0, 0];
    for (const batch of batches) {
      for (const rank of ranks) {
        const { begin, rows: own } = partOf(rank, processes, batch.rows);
        for (const { fields, width } of counted) {
          const distinct = new Set(
            fields.flatMap(({ field }) => [...column(batch.ids, field).subarray(begin, begin + own)]),
          );
          const sent = isDealt ? [...distinct].filter((row) => row % processes !== rank).length : distinct.size;
          rows += sent;
          numbers += sent * width;
        }
      }
    }
    return { tables: counted.length, rows: rows * share, numbers: numbers * share };
  };
  return {
    processes,
    weights: areas * places.weightsCount,
    early: early?.count ?? 0,
    terms: plan.graph.terms.length,
    sums: [
      ...argumentsOf('together').map((args) => args.reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0)),
      // Where each normalises by its own rows, the mean of running statistics.
      ...(allRows === undefined && running.length > 0 ? [running.length + 1] : []),
    ],
    columns: argumentsOf('gather').map(({ length }) => (length / 3) * ownRows),
    dealt: countedOf(true),
    small: countedOf(false),
  };
}

/** What a process sends in a step, on average: the bytes of each exchange, by purpose. */
export function sentOf({
  processes,
  weights,
  early,
  terms,
  sums,
  columns,
  dealt,
  small,
}: StepShape): ReadonlyMap<Exchanged, readonly number[]> {
  const others = processes - 1;
  const added = (counts: readonly number[]): number[] => counts.map((count) => 8 * (count + 1) * others);
  const [hasDealt, hasSmall] = [dealt.tables > 0, small.tables > 0];
  // Pieces to those who add them up, and the sums back.
  const summed = (numbers: number): number[] => Array<number>(2).fill((4 * numbers * others) / processes);
  return new Map<Exchanged, readonly number[]>([
    ['row numbers', hasDealt ? [4 * dealt.tables * others, 4 * dealt.rows] : []],
    ['rows', hasDealt ? [4 * dealt.numbers] : []],
    ['sums', added(sums)],
    ['columns', columns.map((count) => 4 * count * others)],
    // Losses and the rows that each counts, and whether a number is not finite; then that alone.
    ['losses', added([1 + 2 * terms, 1])],
    ['dense gradients', [...(early > 0 ? summed(early) : []), ...summed(weights - early)]],
    ['row gradients', hasDealt ? [4 * dealt.numbers] : []],
    ['small tables', hasSmall ? [small.tables, small.rows, small.numbers].map((count) => 4 * count * others) : []],
  ]);
}

/** Exchanges of a step, and bytes that a process sends in them. */
export function totalOf(shape: StepShape): { readonly exchanges: number; readonly bytes: number } {
  const all = [...sentOf(shape).values()].flat();
  return { exchanges: all.length, bytes: all.reduce((sum, bytes) => sum + bytes, 0) };
}

/**
 * The time of a step.
 * @param work of a process, in ms: its part of the rows, and what it copies for the others; of that, what it computes
 * while gradients pass
 */
export function stepMs({ workMs, meanwhileMs }: Work, shape: StepShape, link: Link): number {
  const others = shape.processes - 1;
  const msOf = (sizes: readonly number[]): number =>
    sizes.reduce((sum, bytes) => sum + link(bytes / others, others), 0);
  const sent = sentOf(shape);
  const hidden = shape.early > 0 ? Math.min(meanwhileMs, msOf(sent.get('dense gradients')!.slice(0, 2))) : 0;
  return workMs + msOf([...sent.values()].flat()) - hidden;
}

/** A link of which latency and bandwidth are known. */
export function linkOf(latencyMs: number, gigabits: number): Link {
  return (bytes, others) => latencyMs + (bytes * others) / (gigabits * 125_000);
}

/**
 * A link as exchanges have shown it between as many processes: a line through what was measured, and on as between the
 * last two.
 * @param msOf milliseconds of an exchange, by the bytes that go to each of the others
 */
export function measuredLink(msOf: ReadonlyMap<number, number>): Link {
  const points = [...msOf].sort(([a], [b]) => a - b);
  return (bytes) => {
    const p = Math.max(
      1,
      points.findIndex(([length]) => bytes <= length),
    );
    const end = bytes > points.at(-1)![0] ? points.length - 1 : p;
    const [[from, fromMs], [to, toMs]] = [points[end - 1]!, points[end]!];
    return fromMs + ((bytes - from) * (toMs - fromMs)) / (to - from);
  };
}
