import { column, type Batch } from '../../src/core/batch.js';
import type { Plan } from '../../src/engines/engine.js';
import { compile } from '../../src/engines/compile/compile.js';
import type { Collective, Operand } from '../../src/engines/compile/call-list.js';
import type { Exchanged } from '../../src/engines/cpu/kernels.js';
import { localRows } from '../../src/engines/cpu/local-rows.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';

// Predicts the time of a distributed training step: time = work of a rank + Σ over exchanges (latency + bytes /
// bandwidth)

/** Quantities that determine what a step exchanges. */
export interface StepShape {
  readonly processes: number;
  /** Number of dense weights, and of those whose gradients are exchanged while others are computed. */
  readonly weights: number;
  readonly early: number;
  readonly terms: number;
  /** Batch-norm sums of a step, by exchange: number of doubles. */
  readonly sums: readonly number[];
  /** Columns in which losses compare rows, per rank and step, by exchange: number of floats. */
  readonly columns: readonly number[];
  /** Sharded tables: distinct rows that a rank looks up on other ranks, and their floats. */
  readonly dealt: Counted;
  /** Replicated tables: distinct rows that a rank looks up. */
  readonly small: Counted;
}

interface Counted {
  readonly tables: number;
  readonly rows: number;
  readonly numbers: number;
}

/** Compute time of a rank per step, in ms. */
export interface Work {
  readonly workMs: number;
  /** Compute time between the start of the gradient all-reduce and the wait for it. */
  readonly meanwhileMs: number;
}

/**
 * A link: milliseconds of an exchange in which each rank sends `bytes` to each of `others` ranks and receives as much.
 */
export type Link = (bytes: number, others: number) => number;

/**
 * Computes the shape of a plan's steps on some batches: means over ranks and batches.
 * @param ranks ranks that count; default: all
 */
export function shapeOf(
  plan: Plan,
  batches: readonly Batch[],
  processes: number,
  ranks: readonly number[] = Array.from({ length: processes }, (_, r) => r),
): StepShape {
  const { tables, places, areas, lists, domains, early } = compile({
    ...plan,
    peers: { ...SINGLE_PROCESS, size: processes },
  });
  const share = 1 / (batches.length * ranks.length);
  const ownRows = batches
    .flatMap((batch) => ranks.map((rank) => localRows(rank, processes, batch.rows).rows))
    .reduce((sum, rows) => sum + rows * share, 0);
  const operandsOf = (exchange: Collective): readonly (readonly Operand[])[] =>
    lists.pass.flatMap(({ kernel, operands }) => (kernel === exchange ? [operands] : []));
  const countedOf = (isSharded: boolean): Counted => {
    const counted = tables.all.filter((table) => table.isSharded === isSharded);
    let [rows, numbers] = [0, 0];
    for (const batch of batches) {
      for (const rank of ranks) {
        const { begin, rows: own } = localRows(rank, processes, batch.rows);
        for (const { lookups, width } of counted) {
          const distinct = new Set(
            lookups.flatMap(({ field }) => [...column(batch, field, 'u32').data.subarray(begin, begin + own)]),
          );
          const sent = isSharded ? [...distinct].filter((row) => row % processes !== rank).length : distinct.size;
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
    early: early === undefined ? 0 : early.inputs * early.panels * 8,
    terms: plan.graph.terms.length,
    sums: [
      ...operandsOf('together').map((operands) =>
        operands.reduce<number>((sum, operand) => (typeof operand === 'number' ? sum + operand : sum), 0),
      ),
      // With local batch norm, the mean of the running statistics.
      ...(plan.batchNorm === 'local' && places.runningCount > 0 ? [places.runningCount + domains.length] : []),
    ],
    columns: operandsOf('gather').map(({ length }) => (length / 3) * ownRows),
    dealt: countedOf(true),
    small: countedOf(false),
  };
}

/** Computes the bytes that a rank sends per step and exchange, by purpose. */
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
  // Reduce-scatter and all-gather.
  const summed = (numbers: number): number[] => Array<number>(2).fill((4 * numbers * others) / processes);
  return new Map<Exchanged, readonly number[]>([
    ['row numbers', hasDealt ? [4 * dealt.tables * others, 4 * dealt.rows] : []],
    ['rows', hasDealt ? [4 * dealt.numbers] : []],
    ['sums', added(sums)],
    ['columns', columns.map((count) => 4 * count * others)],
    // Losses, their row counts and the non-finite flag; then the flag alone.
    ['losses', added([1 + 2 * terms, 1])],
    ['dense gradients', [...(early > 0 ? summed(early) : []), ...summed(weights - early)]],
    ['row gradients', hasDealt ? [4 * dealt.numbers] : []],
    ['small tables', hasSmall ? [small.tables, small.rows, small.numbers].map((count) => 4 * count * others) : []],
  ]);
}

/** Counts the exchanges of a step and the bytes that a rank sends in them. */
export function totalOf(shape: StepShape): { readonly exchanges: number; readonly bytes: number } {
  const all = [...sentOf(shape).values()].flat();
  return { exchanges: all.length, bytes: all.reduce((sum, bytes) => sum + bytes, 0) };
}

/**
 * Predicts the time of a step.
 * @param work compute time of a rank in ms, including copies for other ranks; and the part that overlaps the gradient
 * exchange
 */
export function stepMs({ workMs, meanwhileMs }: Work, shape: StepShape, link: Link): number {
  const others = shape.processes - 1;
  const msOf = (sizes: readonly number[]): number =>
    sizes.reduce((sum, bytes) => sum + link(bytes / others, others), 0);
  const sent = sentOf(shape);
  const hidden = shape.early > 0 ? Math.min(meanwhileMs, msOf(sent.get('dense gradients')!.slice(0, 2))) : 0;
  return workMs + msOf([...sent.values()].flat()) - hidden;
}

/** A link with known latency and bandwidth. */
export function linkOf(latencyMs: number, gigabits: number): Link {
  return (bytes, others) => latencyMs + (bytes * others) / (gigabits * 125_000);
}

/**
 * A link interpolated from measured exchanges among the same number of ranks; extrapolated from the last two points.
 * @param msOf milliseconds of an exchange, by bytes sent to each other rank
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
