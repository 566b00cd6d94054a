import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { median } from '../results.js';
import { batchesOf, planOf, type Workload } from '../workloads.js';

/** One who trains a workload, warm, in rounds; between rounds it sleeps. */
export interface Side {
  readonly name: string;
  /** Ours share a process. */
  readonly isOwn: boolean;
  /** Trains so many steps; the milliseconds of one, the median of their second half. */
  run(steps: number): Promise<number>;
  /** Seconds of processor time that it has used so far; undefined where the system does not tell. */
  cpuSeconds(): number | undefined;
  close(): Promise<void>;
}

/** What the script tells of its PyTorch. */
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
/** Of the clock that /proc counts in, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The versions of Python's side, or why there is none. */
export function findTorch(): Versions | { readonly reason: string } {
  const { error, status, stdout, stderr } = spawnSync(PYTHON, [SCRIPT, '--versions'], { encoding: 'utf8' });
  if (error !== undefined) return { reason: `cannot start '${PYTHON}': ${error.message}` };
  if (status !== 0) return { reason: stderr.trim().split('\n').at(-1) ?? `'${PYTHON}' ended with ${status}` };
  return JSON.parse(stdout) as Versions;
}

/** mtl with so many threads. */
export function ownSide(work: Workload, threads: number, rows: number): Side {
  const program = createSimdEngine(threads).compile(planOf(work));
  const batches = batchesOf(work, Math.floor(rows / work.batchRows));
  let next = 0;
  return {
    name: `mtl${work.precision === undefined ? '' : ` ${work.precision}`}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
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

/**
 * PyTorch by hand in its forms, the plain one first, and torch-rechub: what they are called, and what the script calls
 * them.
 */
export const TORCH_FORMS = {
  hand: { name: 'PyTorch by hand', options: ['--side', 'hand'] },
  compiled: { name: 'compiled', options: ['--side', 'hand', '--compiled'] },
  bf16: { name: 'bf16', options: ['--side', 'hand', '--bf16'] },
  compiledBf16: { name: 'compiled bf16', options: ['--side', 'hand', '--compiled', '--bf16'] },
  rechub: { name: 'torch-rechub', options: ['--side', 'torch-rechub'] },
} as const;

/**
 * PyTorch, a process of its own that stays warm; it is ready when it has compiled what it compiles.
 * @throws Error with its last words where it ends before
 */
export async function torchSide(form: keyof typeof TORCH_FORMS, work: Workload, rows: number): Promise<Side> {
  const { name, options } = TORCH_FORMS[form];
  const child = spawn(
    PYTHON,
    [SCRIPT, ...options, '--model', work.name, '--batch', String(work.batchRows), '--rows', String(rows), '--rounds'],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  // Its last words, for when it dies; a progress bar writes there too.
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

/** User and system time of another process, from Linux's /proc. */
function processSeconds({ pid }: ChildProcess): number | undefined {
  try {
    // The name, in parentheses, may hold spaces; the times are the 12th and 13th field after it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}
