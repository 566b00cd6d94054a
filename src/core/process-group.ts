/** Numbers of any kind, as they lie in memory. */
export type Numbers = Uint8Array | Uint32Array | Float32Array | Float64Array;

/**
 * The processes that take every step of a training together, as one of them sees them. All call the same in the same
 * order, with as
 * many numbers, and all get the same; who is alone has nobody to wait for.
 * @throws UserError (thread), from each of them, that names who gave no answer in time
 */
export interface ProcessGroup {
  /** This one's number, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Everyone's numbers added up in place, in double precision and the order of ranks. */
  allReduceSumF32(numbers: Float32Array): void;
  allReduceSumF64(numbers: Float64Array): void;
  /**
   * Begins to add floats up, as `sumFloats` does, while this process does other things, also with the others; nobody
   * touches them before `endSum`, and one sum is under way at a time.
   */
  startAllReduce(numbers: Float32Array): void;
  /** Sees how far it is: it moves on when it is looked at. */
  pollAllReduce(): void;
  /** Waits for its end; nothing where none has begun. */
  waitAllReduce(): void;
  /**
   * Puts everyone's numbers one behind the other into `all`: so many bytes of each, as many of each as of this one
   * where nothing is said.
   */
  allGather(own: Numbers, all: Numbers, bytes?: Float64Array): void;
  /**
   * Sends each its part of `out`, and puts what each has sent into `into`: parts of so many bytes, in the order of
   * ranks.
   */
  allToAll(out: Numbers, outBytes: Float64Array, into: Numbers, intoBytes: Float64Array): void;
  /** Everyone's texts, in the order of ranks; waits for them as long as it takes. */
  allGatherStrings(own: string): readonly string[];
  /**
   * Does work of which steps are a part, or that comes before them. Where it fails before any step, it throws in the
   * first of those
   * where it does; the others wait until that ends them, so that what happens is told once.
   */
  runCollectively<Result>(work: () => Promise<Result>): Promise<Result>;
  /**
   * Lets some do their work before the others do theirs: what they leave in a cache is there for these.
   * @param isFirst whether this is one of them; the process of rank 0 is where it is left out
   */
  rankZeroFirst<Result>(work: () => Promise<Result>, isFirst?: boolean): Promise<Result>;
  /** Whether anyone says so. */
  allReduceAny(own: boolean): boolean;
  /**
   * Polls `own` at each `sumDoubles`, of which every step has one, so that it costs no exchange of its own.
   * @returns reads, the same in all processes, whether `own` was true in any at the last sum; who is alone reads `own`
   * itself
   */
  allReduceAnyWithSum(own: () => boolean): () => boolean;
  /** Aborted, in all of them between the same two steps, where one was asked to end by `signal`. */
  synchronizeSignal(signal: AbortSignal): AbortSignal;
}

/** Who trains without others. */
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

/** What takes hours is done in so many parts: after each, the processes hear from each other whether any has failed. */
export const SYNC_POINTS = 8;

/** How many of some rows a process has where they are dealt out: row r lies with process r modulo their number. */
export function countLocalRows(rows: number, { rank, size }: Pick<ProcessGroup, 'rank' | 'size'>): number {
  return Math.ceil((rows - rank) / size);
}
