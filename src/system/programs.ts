import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Runs of a program, in a directory. */
export interface ProgramRuns {
  readonly program: string;
  readonly argLists: readonly (readonly string[])[];
  readonly cwd: string;
  readonly timeoutMs: number;
}

/** A run that failed: its exit code, the signal that ended it, or a system code: it did not start, or timed out. */
export interface FailedRun {
  readonly status?: number | null | undefined;
  readonly signal?: string | null | undefined;
  readonly code?: string;
  readonly stderr: string;
}

/** The failure of a program that `runPrograms` ran. */
export class ProgramError extends Error {
  constructor(readonly run: FailedRun) {
    super(run.stderr);
  }
}

/** The built helper process (run-all.ts). The path is the same from this file and from its built form. */
const HELPER = fileURLToPath(new URL('../../dist/threads/system-run-all.cjs', import.meta.url));
const MAX_OUTPUT_BYTES = 1 << 26;

/**
 * Runs a program once per list of arguments, as many runs at once as there are cores, and returns when all have ended.
 * After a failure, no further run starts.
 * @throws ProgramError of the first run that failed; Error if the helper process failed
 */
export function runPrograms(runs: ProgramRuns): void {
  // Loaded lazily: most starts run no program.
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  const input = JSON.stringify({ ...runs, limit: availableParallelism() });
  const options = { input, encoding: 'utf8', stdio: 'pipe', maxBuffer: MAX_OUTPUT_BYTES } as const;
  const output = execFileSync(process.execPath, [HELPER], options);
  const { failed } = JSON.parse(output) as { readonly failed?: FailedRun };
  if (failed !== undefined) throw new ProgramError(failed);
}
