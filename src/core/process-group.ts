export type Numbers = Uint8Array | Uint32Array | Float32Array | Float64Array;

/**
 * A group of processes that train one model, as seen by one of them. All processes must make the same calls in the same
 * order with equal sizes, and get the same results.
 * @throws UserError (thread) in every process, naming the processes that did not answer in time
 */
export interface ProcessGroup {
  /** Rank of this process, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Sums the elements of all processes in place, in double precision and rank order. */
  allReduceSumF32(numbers: Float32Array): void;
  allReduceSumF64(numbers: Float64Array): void;
  /**
   * Starts an `allReduceSumF32` in the background. `numbers` must not be accessed before `waitAllReduce`; only one such
   * sum can be in flight.
   */
  startAllReduce(numbers: Float32Array): void;
  /** Advances the sum in flight. */
  pollAllReduce(): void;
  /** Waits for the sum in flight, if any. */
  waitAllReduce(): void;
  /**
   * Gathers `own` of all processes into `all`, in rank order.
   * @param bytes size per rank; default: the size of `own`
   */
  allGather(own: Numbers, all: Numbers, bytes?: Float64Array): void;
  /**
   * Sends each rank its part of `out`, and receives the parts from all ranks in `into`, in rank order; sizes in bytes.
   */
  allToAll(out: Numbers, outBytes: Float64Array, into: Numbers, intoBytes: Float64Array): void;
  /** Gathers strings in rank order, without a timeout. */
  allGatherStrings(own: string): readonly string[];
  /**
   * Runs work that contains or precedes steps. If it fails before any step, the first failing rank throws and the
   * others wait to be stopped, so that the error is reported once.
   */
  runCollectively<Result>(work: () => Promise<Result>): Promise<Result>;
  /**
   * Runs work on some ranks first, so that the others find its results in the cache.
   * @param isFirst whether this rank is one of them; default: rank 0
   */
  rankZeroFirst<Result>(work: () => Promise<Result>, isFirst?: boolean): Promise<Result>;
  /** Returns whether `own` is true in any process. */
  allReduceAny(own: boolean): boolean;
  /**
   * Polls `own` with each `allReduceSumF64`, which every step has, at no extra exchange.
   * @returns a function that returns whether `own` was true in any process at the last sum
   */
  allReduceAnyWithSum(own: () => boolean): () => boolean;
  /** Returns a signal that aborts in all processes between the same two steps, if `signal` aborts in any. */
  synchronizeSignal(signal: AbortSignal): AbortSignal;
}

/** The group of a single process. */
export const SINGLE_PROCESS: ProcessGroup = {
  rank: 0,
  size: 1,
  allReduceSumF32: () => undefined,
  allReduceSumF64: () => undefined,
  startAllReduce: () => undefined,
  pollAllReduce: () => undefined,
  waitAllReduce: () => undefined,
  allGather: copy,
  allToAll: (out, _outBytes, into) => copy(out, into),
  allGatherStrings: (own) => [own],
  runCollectively: (work) => work(),
  rankZeroFirst: (work) => work(),
  allReduceAny: (own) => own,
  allReduceAnyWithSum: (own) => own,
  synchronizeSignal: (signal) => signal,
};

function copy(from: Numbers, to: Numbers): void {
  new Uint8Array(to.buffer, to.byteOffset, to.byteLength).set(
    new Uint8Array(from.buffer, from.byteOffset, from.byteLength),
  );
}

/** Number of parts of long work; after each, the processes exchange whether any has failed. */
export const SYNC_POINTS = 8;

/** Returns the number of local rows of a sharded table: row r is on rank r modulo the group size. */
export function countLocalRows(rows: number, { rank, size }: Pick<ProcessGroup, 'rank' | 'size'>): number {
  return Math.ceil((rows - rank) / size);
}
