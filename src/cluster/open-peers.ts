import os from 'node:os';
import { quoted, userError, type UserError } from '../core/errors.js';
import { SINGLE_PROCESS, type Numbers, type ProcessGroup } from '../core/process-group.js';
import { buildMpiAddon, openMpiAddon, type MpiAddon } from './addon.js';
import { COMPILER, jobOf, type Job } from './job.js';

/** The processes of a job, until it ends. */
export interface OpenPeers extends ProcessGroup {
  /** Threads that it may use, where somebody else's are to run beside them; undefined where it may use all. */
  readonly threads: number | undefined;
  /** What went from this process to others so far. */
  sent(): { readonly bytes: number; readonly messages: number };
  /** Ends well, with all others; a process that ends without it ends all of them. */
  end(): void;
}

/** Seconds that a process waits for the others within a step; longer where one has work that it does alone. */
const WAIT = 'MTL_MPI_WAIT';
const DEFAULT_WAIT_S = 600;
/**
 * Until what a process has said last is on its way: Open MPI's launcher throws away what it has not passed on when it
 * is to end all.
 */
const LAST_WORDS_MS = 1000;
/**
 * Summed over all processes by those whose poll is true: more than there are processes, each of which adds 1 if it was
 * asked to end.
 */
const POLLED = 2 ** 20;
/** What one that has failed says, whatever the others say meanwhile; no text of theirs begins so. */
const FAILED = '\0failed';

/**
 * Joins the processes that this one was started with. Nothing of MPI is loaded where it was started alone.
 * @throws UserError (usage) where MPI does not build, load or start, or is another one than the launcher's
 */
export function openPeers(environment: NodeJS.ProcessEnv = process.env): OpenPeers {
  const job = jobOf(environment);
  return job === undefined
    ? { ...SINGLE_PROCESS, threads: undefined, sent: () => ({ bytes: 0, messages: 0 }), end: () => undefined }
    : { ...joined(start(job), waitOf(environment)), threads: threadsOf(job) };
}

/** A share of this machine's cores, unless the launcher has dealt them out. */
function threadsOf({ onMachine }: Job): number | undefined {
  return os.availableParallelism() < os.cpus().length
    ? undefined
    : Math.max(1, Math.floor(os.cpus().length / onMachine));
}

/** How long to wait, in seconds. */
function waitOf(environment: NodeJS.ProcessEnv): number {
  const seconds = Number(environment[WAIT] ?? DEFAULT_WAIT_S);
  if (seconds > 0) return seconds;
  throw userError('usage', {
    where: WAIT,
    message: `expected a positive number of seconds, found ${quoted(environment[WAIT])}`,
  });
}

/**
 * Open MPI and UCX write jumps of theirs into the functions that give memory back to the system, while Node's other
 * threads call
 * them: now and then a process dies of it. Only networks that register memory would be faster by it.
 */
const UNHOOKED: Readonly<Record<string, string>> = {
  OMPI_MCA_memory: '^patcher',
  UCX_MEM_EVENTS: 'n',
  UCX_MEM_MMAP_HOOK_MODE: 'none',
};

interface Started {
  readonly addon: MpiAddon;
  readonly rank: number;
  readonly size: number;
}

function start({ launcher, size, compilers }: Job): Started {
  const fix =
    'install the compiler wrapper of the launching MPI (Debian: libopenmpi-dev or libmpich-dev), or set ' +
    `${COMPILER}=/path/to/mpicc`;
  const built = buildMpiAddon(compilers);
  if ('reason' in built)
    throw userError('usage', {
      where: `${size} processes of ${launcher}`,
      message: `cannot build the MPI addon: ${built.reason}`,
      fix,
    });
  for (const [name, value] of Object.entries(UNHOOKED)) process.env[name] ??= value;
  try {
    const addon = openMpiAddon(built.path);
    const [rank, found, library] = addon.start();
    if (found === size) return { addon, rank, size };
    throw userError('usage', {
      where: `${size} processes of ${launcher}`,
      message:
        `${library.split(/[,\n]/)[0]!.replace(/\s+/g, ' ').trim()} finds only ${found} of them, so it is not the ` +
        'MPI that launched them',
      fix,
    });
  } catch (error) {
    if (!(error instanceof Error) || 'kind' in error) throw error;
    throw userError(
      'usage',
      { where: `${size} processes of ${launcher}`, message: `cannot use MPI: ${error.message}`, fix },
      error,
    );
  }
}

function joined({ addon, rank, size }: Started, wait: number): Omit<OpenPeers, 'threads'> {
  let hasEnded = false;
  // Behind all that is printed: the others would wait for it.
  process.once('exit', (code) => {
    if (hasEnded) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_WORDS_MS);
    addon.abort(code === 0 ? 1 : code);
  });
  const told = <Result>(exchange: () => Result): Result => {
    try {
      return exchange();
    } catch (error) {
      throw problemOf(error, rank);
    }
  };
  const NO_LIMIT = 0;
  const gather = (
    own: Numbers,
    all: Numbers,
    timeout: number,
    bytes: Float64Array = new Float64Array(size).fill(own.byteLength),
  ): void => told(() => addon.gather(own, all, bytes, timeout));
  const meet = (timeout: number): void => gather(new Uint8Array(1), new Uint8Array(size), timeout);
  let own: AbortSignal | undefined;
  let poll = (): boolean => false;
  let isAnyPolled = false;
  const all = new AbortController();
  /** Whether steps are taken: where one fails there, the others find that it gives no answer. */
  let isStepping = false;
  const inStep = (exchange: () => void): void => {
    isStepping = true;
    told(exchange);
  };
  const sumDoubles: ProcessGroup['allReduceSumF64'] = (numbers) => {
    // Whether anyone was asked to end, and what is polled, goes with them as one number, so that all hear of it at
    // once.
    const sent = new Float64Array(numbers.length + 1);
    sent.set(numbers, 1);
    sent[0] = (own?.aborted === true ? 1 : 0) + (poll() ? POLLED : 0);
    inStep(() => addon.sumDoubles(sent, wait));
    numbers.set(sent.subarray(1));
    const [flags = 0] = sent;
    isAnyPolled = flags >= POLLED;
    if (flags % POLLED > 0)
      all.abort(own?.aborted === true ? own.reason : new Error('another process received a stop signal'));
  };
  const texts: ProcessGroup['allGatherStrings'] = (text) => {
    const bytes = Buffer.from(text);
    const lengths = new Float64Array(size);
    gather(Float64Array.of(bytes.length), lengths, NO_LIMIT);
    const joint = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0));
    gather(bytes, joint, wait, lengths);
    let end = 0;
    const found = Array.from(lengths, (length) => joint.toString('utf8', end, (end += length)));
    const failed = found.indexOf(FAILED);
    // It never comes, but ends all.
    if (failed !== -1 && failed !== rank) meet(NO_LIMIT);
    return found;
  };
  const tellFailed = (): void => {
    try {
      texts(FAILED);
    } catch {
      // They are at a step already, and end since this one gives no answer.
    }
  };
  return {
    rank,
    size,
    allReduceSumF32: (numbers) => inStep(() => addon.sumFloats(numbers, wait)),
    allReduceSumF64: sumDoubles,
    startAllReduce: (numbers) => inStep(() => addon.beginSum(numbers)),
    pollAllReduce: () => inStep(() => addon.goOn()),
    waitAllReduce: () => inStep(() => addon.endSum(wait)),
    allGather: (numbers, into, bytes) => inStep(() => gather(numbers, into, wait, bytes)),
    allToAll: (out, outBytes, into, intoBytes) => inStep(() => addon.exchange(out, outBytes, into, intoBytes, wait)),
    allGatherStrings: texts,
    async runCollectively(work) {
      try {
        return await work();
      } catch (error) {
        if (!isStepping) tellFailed();
        throw error;
      }
    },
    async rankZeroFirst(work, isFirst = rank === 0) {
      const early = isFirst ? { result: await work() } : undefined;
      texts('');
      return early === undefined ? work() : early.result;
    },
    allReduceAny(isSo) {
      const says = Float64Array.of(isSo ? 1 : 0);
      sumDoubles(says);
      return says.some((sum) => sum > 0);
    },
    allReduceAnyWithSum(isSo) {
      poll = isSo;
      return () => isAnyPolled;
    },
    synchronizeSignal(signal) {
      own = signal;
      return all.signal;
    },
    sent() {
      const [bytes, messages] = addon.sent();
      return { bytes, messages };
    },
    end() {
      meet(wait);
      hasEnded = true;
      addon.stop();
    },
  };
}

/** An error of the addon, as what happened to the job. */
function problemOf(error: unknown, rank: number): unknown {
  const { code, message } = error as Error & { readonly code?: string };
  if (code !== 'MPI_TIMEOUT') return code === 'MPI' ? lost(`process ${rank}: ${message}`, error) : error;
  const [seconds, ...ranks] = message.split(' ');
  return lost(
    `process ${rank} timed out after ${seconds} s waiting for ${ranks.length === 1 ? 'process' : 'processes'} ` +
      ranks.join(' '),
    error,
  );
}

function lost(message: string, cause: unknown): UserError {
  return userError(
    'thread',
    { message, fix: 'check the log of that process, and resume from the last checkpoint with --resume auto' },
    cause,
  );
}
