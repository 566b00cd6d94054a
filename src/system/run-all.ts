import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { FailedRun, ProgramRuns } from './programs.js';

// The helper process of programs.ts, since a blocked process cannot run several others at once.

const [STDIN, STDOUT] = [0, 1];
const caller = process.ppid;
const { program, argLists, cwd, timeoutMs, limit } = JSON.parse(readFileSync(STDIN, 'utf8')) as ProgramRuns & {
  readonly limit: number;
};
let next = 0;
let failed: FailedRun | undefined;

/** Runs the program; returns its failure, if any. */
function run(args: readonly string[]): Promise<FailedRun | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, timeout: timeoutMs, maxBuffer: Infinity }, (error, _, stderr) => {
      if (error === null) return resolve(undefined);
      const { code, signal, killed } = error;
      if (killed === true) resolve({ code: 'ETIMEDOUT', stderr });
      else if (typeof code === 'string') resolve({ code, stderr });
      else resolve({ status: code, signal, stderr });
    });
  });
}

async function runInTurn(): Promise<void> {
  // A caller that was killed needs no further run.
  while (failed === undefined && next < argLists.length && process.ppid === caller) {
    const failure = await run(argLists[next++]!);
    failed ??= failure;
  }
}

// The caller reads the reply from the output.
void Promise.all(Array.from({ length: limit }, runInTurn)).then(() =>
  writeFileSync(STDOUT, JSON.stringify({ failed })),
);
