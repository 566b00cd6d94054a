import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import v8 from 'node:v8';
import type { Batch } from '../../src/core/batch.js';
import type { Plan } from '../../src/engines/engine.js';
import type { StepTimes } from './split.js';

const PROCESS = join(import.meta.dirname, 'process.js');

/** A distributed training workload. */
export interface ClusterWork {
  readonly plan: Plan;
  readonly batches: readonly Batch[];
  readonly warmUp: number;
  readonly steps: number;
}

/** How ranks are started: on this machine, or one on each of two others. */
export interface Place {
  readonly name: string;
  /** Command line before the program. */
  command(processes: number): readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}

/** Open MPI requires two variables to run as root. Ranks on one machine exchange through shared memory. */
const AS_ROOT = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
export const LAUNCHER = 'mpirun.openmpi';

/** This machine; a single rank starts without MPI. */
export const HERE: Place = {
  name: 'this machine',
  command: (processes) =>
    processes === 1 ? [] : [LAUNCHER, '--oversubscribe', '--bind-to', 'none', '-n', String(processes)],
  environment: { ...AS_ROOT, OMPI_MCA_btl: 'self,sm' },
};

/** Ranks on several hosts: network namespaces that share only their link. */
export function between(hosts: readonly string[], enter: readonly string[], agent: string, network: string): Place {
  return {
    name: hosts.join(' and '),
    command: (processes) => [
      ...enter,
      LAUNCHER,
      '--prtemca',
      'plm_ssh_agent',
      agent,
      '--prtemca',
      'prte_if_include',
      network,
      '--host',
      hosts.map((host) => `${host}:1`).join(','),
      '--bind-to',
      'none',
      '-n',
      String(processes),
    ],
    environment: { ...AS_ROOT, OMPI_MCA_btl: 'self,tcp', OMPI_MCA_pml: 'ob1', OMPI_MCA_btl_tcp_if_include: network },
  };
}

/** Runs work with a temporary directory for the ranks' input and output. */
export async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-cluster-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a command to completion. */
function run(command: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command.join(' ')}: ${said.trim()}`))));
  });
}

/** Reads the output of each rank, in rank order. */
async function left<Each>(
  place: Place,
  processes: number,
  path: string,
  args: readonly string[],
): Promise<readonly Each[]> {
  await run([...place.command(processes), process.execPath, PROCESS, path, ...args], place.environment);
  return Array.from(
    { length: processes },
    (_, rank) => v8.deserialize(readFileSync(`${path}.${args[0]!}.${args.at(-1)!}.${rank}`)) as Each,
  );
}

/** Writes a work item for the ranks. */
export function writeWork(folder: string, name: string, work: ClusterWork): string {
  const path = join(folder, name);
  writeFileSync(path, v8.serialize(work));
  return path;
}

/** Measures training steps of ranks that train together. */
export function stepsTogether(
  place: Place,
  processes: number,
  path: string,
  threads: number,
): Promise<readonly (readonly StepTimes[])[]> {
  return left(place, processes, path, ['steps', String(threads), '1']);
}

/** Measures training steps of ranks that each simulate `images` peers, all at the same time. */
export async function stepsMirrored(
  processes: number,
  path: string,
  threads: number,
  images: number,
): Promise<readonly (readonly StepTimes[])[]> {
  return left(HERE, processes, path, ['steps', String(threads), String(images)]);
}

/** Measures exchanges of several message sizes: by rank, by size. */
export function linkTimes(
  place: Place,
  processes: number,
  folder: string,
  lengths: readonly number[],
  times: number,
): Promise<readonly (readonly (readonly { readonly beginMs: number; readonly endMs: number }[])[])[]> {
  return left(place, processes, join(folder, `link-${processes}`), ['link', lengths.join(','), String(times)]);
}
