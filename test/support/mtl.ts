import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

export const BIN = join(import.meta.dirname, '..', '..', 'bin', 'mtl.js');

/** Result of a command. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command in a directory. */
export function mtl(
  cwd: string,
  args: readonly string[],
  onStdout?: (text: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Finished> {
  return finished(spawn(process.execPath, [BIN, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] }), onStdout);
}

/** How and when the threads of a module die (see dying-thread.js). */
export interface Death {
  readonly victim: string;
  /** The kind of death, or how many threads start before the first failure. */
  readonly death: 'exit' | 'heap' | '0' | '1';
  readonly moment: 'within a step' | 'between two steps' | 'at a request' | 'at its start' | 'before its task';
}

/** Runs a script in a directory, with threads that die. */
export function dying(
  { victim, death, moment }: Death,
  cwd: string,
  script: string,
  args: readonly string[],
): Promise<Finished> {
  const preload = pathToFileURL(join(import.meta.dirname, 'dying-thread.js')).href;
  const env = { ...process.env, MTL_VICTIM: victim, MTL_DEATH: death, MTL_MOMENT: moment };
  return finished(
    spawn(process.execPath, ['--import', preload, script, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

function finished(
  child: ChildProcessByStdio<null, Readable, Readable>,
  onStdout?: (text: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      onStdout?.(stdout, (signal) => child.kill(signal));
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
