import { userError, type UserError } from '../core/errors.js';
import type { Numbers, ProcessGroup } from '../core/process-group.js';
import type { MpiAddon } from './addon.js';

/** MPI after its start. */
export interface StartedMpi {
  readonly addon: MpiAddon;
  readonly rank: number;
  readonly size: number;
}

const NO_LIMIT = 0;
/** Time until the last output of a process has been forwarded: Open MPI's launcher drops the rest when it aborts. */
const OUTPUT_MS = 1000;
/** Added to a sum by each process whose poll is true; larger than the number of processes, each of which may add 1. */
const POLLED = 2 ** 20;
/** Gathered in place of a string by a process that failed. */
const FAILED = '\0failed';

/** A group of processes that exchange messages by MPI. */
export class MpiGroup implements ProcessGroup {
  readonly rank: number;
  readonly size: number;
  readonly #addon: MpiAddon;
  /** Seconds until a process that does not answer within a step is given up. */
  readonly #wait: number;
  readonly #all = new AbortController();
  #own: AbortSignal | undefined;
  #poll = (): boolean => false;
  #isAnyPolled = false;
  /** Whether steps have begun. A process that fails then does not answer, so that the others time out. */
  #isStepping = false;
  #hasEnded = false;

  constructor({ addon, rank, size }: StartedMpi, wait: number) {
    this.#addon = addon;
    this.rank = rank;
    this.size = size;
    this.#wait = wait;
    // Otherwise, the other processes would wait for this one.
    process.once('exit', (code) => {
      if (this.#hasEnded) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OUTPUT_MS);
      addon.abort(code === 0 ? 1 : code);
    });
  }

  allReduceSumF32(numbers: Float32Array): void {
    this.#inStep(() => this.#addon.allReduceF32(numbers, this.#wait));
  }

  allReduceSumF64(numbers: Float64Array): void {
    // Stop signals and polls are added as one more element, so that all processes see them at the same step.
    const sent = new Float64Array(numbers.length + 1);
    sent.set(numbers, 1);
    sent[0] = (this.#own?.aborted === true ? 1 : 0) + (this.#poll() ? POLLED : 0);
    this.#inStep(() => this.#addon.allReduceF64(sent, this.#wait));
    numbers.set(sent.subarray(1));
    const [flags = 0] = sent;
    this.#isAnyPolled = flags >= POLLED;
    if (flags % POLLED > 0)
      this.#all.abort(
        this.#own?.aborted === true ? this.#own.reason : new Error('another process received a stop signal'),
      );
  }

  startAllReduce(numbers: Float32Array): void {
    this.#inStep(() => this.#addon.startAllReduce(numbers));
  }

  pollAllReduce(): void {
    this.#inStep(() => this.#addon.pollAllReduce());
  }

  waitAllReduce(): void {
    this.#inStep(() => this.#addon.waitAllReduce(this.#wait));
  }

  allGather(own: Numbers, all: Numbers, bytes?: Float64Array): void {
    this.#inStep(() => this.#gather(own, all, this.#wait, bytes));
  }

  allToAll(out: Numbers, outBytes: Float64Array, into: Numbers, intoBytes: Float64Array): void {
    this.#inStep(() => this.#addon.allToAll(out, outBytes, into, intoBytes, this.#wait));
  }

  allGatherStrings(own: string): readonly string[] {
    const bytes = Buffer.from(own);
    const lengths = new Float64Array(this.size);
    this.#gather(Float64Array.of(bytes.length), lengths, NO_LIMIT);
    const joint = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0));
    this.#gather(bytes, joint, this.#wait, lengths);
    let end = 0;
    const all = Array.from(lengths, (length) => joint.toString('utf8', end, (end += length)));
    const failed = all.indexOf(FAILED);
    // Waits until the failed process ends all others.
    if (failed !== -1 && failed !== this.rank) this.#synchronize(NO_LIMIT);
    return all;
  }

  async runCollectively<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!this.#isStepping) this.#reportFailure();
      throw error;
    }
  }

  async rankZeroFirst<Result>(work: () => Promise<Result>, isFirst = this.rank === 0): Promise<Result> {
    const early = isFirst ? { result: await work() } : undefined;
    this.allGatherStrings('');
    return early === undefined ? work() : early.result;
  }

  allReduceAny(own: boolean): boolean {
    const count = Float64Array.of(own ? 1 : 0);
    this.allReduceSumF64(count);
    return count[0]! > 0;
  }

  allReduceAnyWithSum(own: () => boolean): () => boolean {
    this.#poll = own;
    return () => this.#isAnyPolled;
  }

  synchronizeSignal(signal: AbortSignal): AbortSignal {
    this.#own = signal;
    return this.#all.signal;
  }

  /** Returns the bytes and messages that this process has sent to others. */
  sent(): { readonly bytes: number; readonly messages: number } {
    const [bytes, messages] = this.#addon.sent();
    return { bytes, messages };
  }

  /** Ends the group; every process must call it. */
  end(): void {
    this.#synchronize(this.#wait);
    this.#hasEnded = true;
    this.#addon.finalize();
  }

  #gather(own: Numbers, all: Numbers, timeout: number, bytes?: Float64Array): void {
    const sizes = bytes ?? new Float64Array(this.size).fill(own.byteLength);
    this.#run(() => this.#addon.allGather(own, all, sizes, timeout));
  }

  /** Waits until all processes call it. */
  #synchronize(timeout: number): void {
    this.#gather(new Uint8Array(1), new Uint8Array(this.size), timeout);
  }

  #reportFailure(): void {
    try {
      this.allGatherStrings(FAILED);
    } catch {
      // The others are at a step, and time out.
    }
  }

  #inStep(exchange: () => void): void {
    this.#isStepping = true;
    this.#run(exchange);
  }

  #run(exchange: () => void): void {
    try {
      exchange();
    } catch (error) {
      throw toUserError(error, this.rank);
    }
  }
}

/** Converts an error of the addon; others are returned unchanged. */
function toUserError(error: unknown, rank: number): unknown {
  const { code, message } = error as Error & { readonly code?: string };
  if (code === 'MPI') return lostError(`process ${rank}: ${message}`, error);
  if (code !== 'MPI_TIMEOUT') return error;
  const [seconds, ...ranks] = message.split(' ');
  return lostError(
    `process ${rank} timed out after ${seconds} s waiting for ${ranks.length === 1 ? 'process' : 'processes'} ` +
      ranks.join(' '),
    error,
  );
}

function lostError(message: string, cause: unknown): UserError {
  return userError(
    'thread',
    { message, fix: 'check the log of that process, and resume from the last checkpoint with --resume auto' },
    cause,
  );
}
