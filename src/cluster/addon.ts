import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { askProgram, buildOnce, type Built } from '../system/native-build.js';
import type { Numbers } from '../core/process-group.js';

/**
 * Interface of native/mpi.c. Timeouts are in seconds, 0 for none. Errors have the code MPI_TIMEOUT, with seconds and
 * ranks as the message, or MPI.
 */
export interface MpiAddon {
  /** Initializes MPI; returns the rank, the number of ranks and the name of the library. */
  start(): readonly [rank: number, size: number, library: string];
  allGather(own: Numbers, all: Numbers, bytes: Float64Array, timeout: number): void;
  allToAll(out: Numbers, outBytes: Float64Array, into: Numbers, intoBytes: Float64Array, timeout: number): void;
  /** Sums the elements of all ranks in place, in double precision and rank order. */
  allReduceF64(numbers: Float64Array, timeout: number): void;
  allReduceF32(numbers: Float32Array, timeout: number): void;
  /** Starts an `allReduceF32` in the background; `numbers` must not be accessed before `waitAllReduce`. */
  startAllReduce(numbers: Float32Array): void;
  pollAllReduce(): void;
  waitAllReduce(timeout: number): void;
  /** Returns the bytes and messages sent to other ranks since the start. */
  sent(): readonly [bytes: number, messages: number];
  /** Finalizes MPI; every rank must call it. */
  finalize(): void;
  abort(exitCode: number): void;
}

/** The shipped source. The path is the same from this file and from its built form. */
const SOURCES = fileURLToPath(new URL('../../dist/cluster/native', import.meta.url));

/**
 * Builds the addon with the first compiler that runs.
 * @param compilers names of MPI's compiler wrapper
 */
export function buildMpiAddon(compilers: readonly string[], folder?: string): Built {
  const problems: string[] = [];
  for (const compiler of compilers) {
    // The command line of a wrapper identifies its MPI, so that builds for two of them are separate.
    const answer = askProgram(compiler, '-show');
    if ('output' in answer) {
      const recipe = { name: 'mpi', sources: SOURCES, compiler, recipe: answer.output, folder, isInsistent: true };
      return buildOnce(recipe, ({ link, source }) => link(source('mpi.c')));
    }
    if (!answer.isMissing) problems.push(answer.reason);
  }
  return { reason: problems.length > 0 ? problems.join('; ') : `${compilers.join(' or ')} was not found` };
}

/** Loads the addon of a built file. */
export function openMpiAddon(path: string): MpiAddon {
  return createRequire(import.meta.url)(path) as MpiAddon; // what mpi.c exports
}
