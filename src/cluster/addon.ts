import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { askProgram, buildOnce, type Built } from '../system/native-build.js';
import type { Numbers } from '../core/process-group.js';

/**
 * What native/mpi.c gives; times are seconds, 0 for no limit. Errors have a code: MPI_TIMEOUT, with seconds and ranks
 * for a message, or MPI.
 */
export interface MpiAddon {
  /** This process's rank, how many there are, and the library's name. */
  start(): readonly [number, number, string];
  gather(own: Numbers, all: Numbers, bytes: Float64Array, timeout: number): void;
  exchange(out: Numbers, outBytes: Float64Array, into: Numbers, intoBytes: Float64Array, timeout: number): void;
  sumDoubles(numbers: Float64Array, timeout: number): void;
  sumFloats(numbers: Float32Array, timeout: number): void;
  /** What `sumFloats` does, while the process goes on: nobody touches the numbers before its end. */
  beginSum(numbers: Float32Array): void;
  goOn(): void;
  endSum(timeout: number): void;
  /** Bytes and messages that went to other processes so far. */
  sent(): readonly [number, number];
  /** Ends MPI where all end well. */
  stop(): void;
  /** Ends all processes. */
  abort(exitCode: number): void;
}

/** The source as it is shipped: as far from this file as from what is built of it. */
const SOURCES = fileURLToPath(new URL('../../dist/cluster/native', import.meta.url));

/**
 * Builds the addon by the first of some compilers that runs.
 * @param compilers names of MPI's compiler
 */
export function buildMpiAddon(compilers: readonly string[], folder?: string): Built {
  const problems: string[] = [];
  for (const compiler of compilers) {
    // What a compiler of MPI's calls, by which two of them are told apart.
    const answer = askProgram(compiler, '-show');
    if ('output' in answer) {
      const recipe = { name: 'mpi', sources: SOURCES, compiler, recipe: answer.output, folder, isInsistent: true };
      return buildOnce(recipe, ({ link, source }) => link(source('mpi.c')));
    }
    if (!answer.isMissing) problems.push(answer.reason);
  }
  return { reason: problems.length > 0 ? problems.join('; ') : `${compilers.join(' or ')} was not found` };
}

/** The addon of a file that was built. */
export function openMpiAddon(path: string): MpiAddon {
  return createRequire(import.meta.url)(path) as MpiAddon; // what mpi.c gives
}
