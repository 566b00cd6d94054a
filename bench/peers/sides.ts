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
const FOLDER = import.meta.dirname;
/** Clock ticks of /proc on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Returns the versions of Python's packages, or the reason why they are unavailable. */
export function findTorch(): Versions | { readonly reason: string } {
  const { error, status, stdout, stderr } = spawnSync(PYTHON, [join(FOLDER, 'torch_peer.py'), '--versions'], {
    encoding: 'utf8',
  });
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

/** A variant of PyTorch: its name, and the script's options for it. */
export interface TorchForm {
  readonly name: string;
  readonly options: readonly string[];
  /** Whether it is hand-tuned, not a library. */
  readonly isByHand: boolean;
}

const byHand = (name: string, ...options: readonly string[]): TorchForm => ({ name, options, isByHand: true });

/** Variants of hand-tuned PyTorch, the plain one first, and torch-rechub. */
const FORMS: readonly TorchForm[] = [
  byHand('PyTorch by hand', '--side', 'hand'),
  byHand('compiled', '--side', 'hand', '--compiled'),
  byHand('bf16', '--side', 'hand', '--bf16'),
  byHand('compiled bf16', '--side', 'hand', '--compiled', '--bf16'),
  { name: 'torch-rechub', options: ['--side', 'torch-rechub'], isByHand: false },
];

/** Variants of DIN in PyTorch: the form that most people write first. */
const HISTORY_FORMS: readonly TorchForm[] = [
  byHand('padded', '--form', 'padded'),
  byHand('jagged', '--form', 'jagged'),
  byHand('split', '--form', 'split'),
  byHand('fold', '--form', 'fold'),
  byHand('split compiled', '--form', 'split', '--compiled'),
  byHand('fold compiled', '--form', 'fold', '--compiled'),
  byHand('fold compiled bf16', '--form', 'fold', '--compiled', '--bf16'),
];

/** Variants of BST in PyTorch. */
const ENCODER_FORMS: readonly TorchForm[] = [
  ...HISTORY_FORMS,
  byHand('padded compiled', '--form', 'padded', '--compiled'),
  byHand('split compiled bf16', '--form', 'split', '--compiled', '--bf16'),
];

/** Forms that read the items that a search selects. */
const SEARCH_FORMS = HISTORY_FORMS.filter(({ name }) => name.startsWith('split') || name.startsWith('fold'));

/** Returns the variants of a workload in PyTorch. */
export function torchForms({ history }: Workload, { torchRechub }: Versions): readonly TorchForm[] {
  if (history === undefined) return FORMS.filter(({ isByHand }) => isByHand || torchRechub !== null);
  if (history.encoder !== undefined) return ENCODER_FORMS;
  return history.top === undefined ? HISTORY_FORMS : SEARCH_FORMS;
}

/** Returns the arguments of Python for a variant of a workload. */
function argumentsOf({ options }: TorchForm, { name, batchRows, history }: Workload, rows: number): readonly string[] {
  const shared = [...options, '--batch', String(batchRows), '--rows', String(rows), '--rounds'];
  if (history === undefined) return [join(FOLDER, 'torch_peer.py'), ...shared, '--model', name];
  const length = history.length === 'power law' ? 0 : history.length;
  const top = history.top === undefined ? [] : ['--top', String(history.top)];
  const script = history.encoder === undefined ? 'torch_din.py' : 'torch_bst.py';
  return [join(FOLDER, script), ...shared, '--length', String(length), ...top];
}

/**
 * Starts PyTorch in a process of its own; resolves after compilation.
 * @throws Error with its last output if it exits early
 */
export async function torchSide(form: TorchForm, work: Workload, rows: number): Promise<Side> {
  const { name } = form;
  const child = spawn(PYTHON, argumentsOf(form, work, rows), { stdio: ['pipe', 'pipe', 'pipe'] });
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
