import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { median } from '../results.js';
import { batchesOf, planOf, type Workload } from '../workloads.js';

/** An implementation that trains a workload in rounds and sleeps between them. */
export interface Side {
  readonly name: string;
  /** mtl's variants share a process. */
  readonly isOwn: boolean;
  /** Runs training steps; returns the median milliseconds of the second half. */
  run(steps: number): Promise<number>;
  /** CPU seconds so far; undefined if the system does not report them. */
  cpuSeconds(): number | undefined;
  close(): Promise<void>;
}

/** Versions that the script reports. */
export interface Versions {
  readonly python: string;
  readonly torch: string;
  readonly torchRechub: string | null;
  readonly blas: string;
  readonly threads: number;
  readonly cpu: string;
}

const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';
const SCRIPT = join(import.meta.dirname, 'torch_peer.py');
/** Clock ticks of /proc on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Returns the versions of Python's packages, or the reason why they are unavailable. */
export function findTorch(): Versions | { readonly reason: string } {
  const { error, status, stdout, stderr } = spawnSync(PYTHON, [SCRIPT, '--versions'], { encoding: 'utf8' });
  if (error !== undefined) return { reason: `cannot start '${PYTHON}': ${error.message}` };
  if (status !== 0) return { reason: stderr.trim().split('\n').at(-1) ?? `'${PYTHON}' ended with ${status}` };
  return JSON.parse(stdout) as Versions;
}

/** mtl with a number of threads. */
export function ownSide(work: Workload, threads: number, rows: number): Side {
  const program = createCpuEngine(threads).compile(planOf(work));
  const batches = batchesOf(work, Math.floor(rows / work.batchRows));
  let next = 0;
  return {
    name:
      `mtl${work.precision === undefined ? '' : ` ${work.precision}`}, ` +
      `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    isOwn: true,
    async run(steps) {
      const times: number[] = [];
      for (let step = 0; step < steps; step++) {
        const start = performance.now();
        await program.trainStep(batches[next++ % batches.length]!);
        times.push(performance.now() - start);
      }
      return median(times.slice(steps >> 1));
    },
    cpuSeconds: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    close() {
      program.dispose();
      return Promise.resolve();
    },
  };
}

/** Variants of hand-tuned PyTorch, the plain one first, and torch-rechub, with the script's names for them. */
export const TORCH_FORMS = {
  hand: { name: 'PyTorch by hand', options: ['--side', 'hand'] },
  compiled: { name: 'compiled', options: ['--side', 'hand', '--compiled'] },
  bf16: { name: 'bf16', options: ['--side', 'hand', '--bf16'] },
  compiledBf16: { name: 'compiled bf16', options: ['--side', 'hand', '--compiled', '--bf16'] },
  rechub: { name: 'torch-rechub', options: ['--side', 'torch-rechub'] },
} as const;

/**
 * Starts PyTorch in a process of its own; resolves after compilation.
 * @throws Error with its last output if it exits early
 */
export async function torchSide(form: keyof typeof TORCH_FORMS, work: Workload, rows: number): Promise<Side> {
  const { name, options } = TORCH_FORMS[form];
  const child = spawn(
    PYTHON,
    [SCRIPT, ...options, '--model', work.name, '--batch', String(work.batchRows), '--rows', String(rows), '--rounds'],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  // Last output, for the error message; a progress bar writes there too.
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${name} ended: ${said.trim().split('\n').at(-1)}`);
    return JSON.parse(line.value);
  };
  await answer();
  return {
    name,
    isOwn: false,
    async run(steps) {
      child.stdin.write(`go ${steps}\n`);
      return ((await answer()) as { readonly ms: number }).ms;
    },
    cpuSeconds: () => processSeconds(child),
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await ended;
    },
  };
}

/** User and system time of a process, from Linux's /proc. */
function processSeconds({ pid }: ChildProcess): number | undefined {
  try {
    // The name, in parentheses, may contain spaces; the times are fields 12 and 13 after it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}
