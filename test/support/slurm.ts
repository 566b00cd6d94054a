import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { TestContext } from 'vitest';

const PROGRAMS = ['slurmctld', 'slurmd', 'sbatch', 'munged', 'mungekey'];
const NODES = ['n1', 'n2'];
/** Lock file: one Slurm per machine. */
const TURN = join(tmpdir(), 'mtl-slurm-test.pid');
/** Polls, half a second apart, before giving up. */
const READY_LOOKS = 120;
/** No test takes as long. */
const LONGEST_TURN_MS = 900_000;
/** Timeout of a Slurm program. */
const CALL_MS = 240_000;
const [MUNGE_KEY, MUNGE_RUN] = ['/etc/munge/munge.key', '/run/munge'];

/** Skips a test, with the reason, if Slurm cannot start. */
export function needsSlurm({ skip }: Pick<TestContext, 'skip'>): void {
  const missing = PROGRAMS.filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status !== 0,
  );
  if (missing.length > 0) skip(`there is no ${missing.join(', ')}: apt-get install slurm-wlm`);
  if (process.getuid?.() !== 0) skip('starting slurmd takes root');
}

/** A Slurm cluster of two nodes with one core each on this machine. */
export interface Slurm {
  /** Runs a Slurm program. */
  run(program: string, ...args: readonly string[]): string;
  /** Describes nodes, jobs and the controller, for tests that time out. */
  warn(): string;
  stop(): void;
}

/**
 * Starts a controller and two nodes without systemd or cgroups, and points child processes to it. Skips the test, with
 * Slurm's output, if nodes do not start or run nothing.
 */
export async function startSlurm({ skip }: Pick<TestContext, 'skip'>, folder: string): Promise<Slurm> {
  const at = (...path: readonly string[]): string => join(folder, ...path);
  await takeTurn();
  for (const name of ['spool', 'state']) mkdirSync(at(name));
  const munge = Number(execFileSync('id', ['-u', 'munge'], { encoding: 'utf8' }));
  if (!existsSync(MUNGE_KEY)) execFileSync('mungekey', ['-c']);
  chownSync(MUNGE_KEY, munge, munge);
  mkdirSync(MUNGE_RUN, { recursive: true });
  chownSync(MUNGE_RUN, munge, munge);
  chmodSync(MUNGE_RUN, 0o755);
  // A socket can outlive its daemon on a stopped or copied machine.
  if (spawnSync('munge', ['--no-input'], { stdio: 'ignore', timeout: CALL_MS }).status !== 0)
    execFileSync('su', ['-s', '/bin/sh', 'munge', '-c', 'munged'], { timeout: CALL_MS });
  const host = os.hostname().split('.')[0]!;
  const conf = at('slurm.conf');
  writeFileSync(
    conf,
    `ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=16817
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool')}/%n
SlurmctldPidFile=${at('slurmctld.pid')}
SlurmdPidFile=${at('slurmd.%n.pid')}
SlurmctldLogFile=${at('slurmctld.log')}
SlurmdLogFile=${at('slurmd.%n.log')}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
KillWait=30
NodeName=n[1-2] NodeHostname=${host} NodeAddr=127.0.0.1 Port=[17011-17012] CPUs=1 RealMemory=4000
PartitionName=p Nodes=ALL Default=YES State=UP
`,
  );
  process.env['SLURM_CONF'] = conf;
  const says = (program: string, ...args: readonly string[]): string =>
    spawnSync(program, [...args], { encoding: 'utf8', timeout: CALL_MS }).stdout;
  const lastOf = (file: string): string =>
    `${file}:\n${readFileSync(at(file), 'utf8').split('\n').slice(-30).join('\n')}`;
  const warn = (): string =>
    [
      says('sinfo', '--Node', '--long'),
      says('squeue', '--array', '--long'),
      ...readdirSync(folder)
        .filter((file) => file.endsWith('.log'))
        .map(lastOf),
    ].join('\n');
  const run: Slurm['run'] = (program, ...args) => {
    try {
      return execFileSync(program, [...args], { encoding: 'utf8', timeout: CALL_MS });
    } catch (error) {
      throw new Error(`${program} ${args.join(' ')} fails\n${warn()}`, { cause: error });
    }
  };
  const slurm: Slurm = {
    run,
    warn,
    stop() {
      delete process.env['SLURM_CONF'];
      for (const name of readdirSync(folder).filter((file) => file.endsWith('.pid'))) {
        try {
          process.kill(Number(readFileSync(at(name), 'utf8')), 'SIGKILL');
        } catch {
          // It has exited already.
        }
      }
      rmSync(TURN, { force: true });
    },
  };
  const comesUp = async (): Promise<boolean> => {
    run('slurmctld');
    // Slurm reports its start before it has read the config; a node waits minutes for a controller that is not up.
    if (!(await becomes(() => says('scontrol', 'ping').includes('UP')))) return false;
    for (const node of NODES) run('slurmd', '-N', node);
    if (!(await becomes(() => says('sinfo', '--Node', '--noheader', '--format=%T') === 'idle\n'.repeat(NODES.length))))
      return false;
    return says('srun', '--nodes=2', 'echo', 'done') === 'done\n'.repeat(NODES.length);
  };
  let isUp = false;
  try {
    isUp = await comesUp();
  } finally {
    if (!isUp) slurm.stop();
  }
  if (!isUp) skip(`Slurm does not run here\n${warn()}`);
  return slurm;
}

/** Polls a condition; returns false after the last poll. */
async function becomes(isSo: () => boolean): Promise<boolean> {
  for (let look = 0; look < READY_LOOKS; look++) {
    if (isSo()) return true;
    await setTimeout(500);
  }
  return isSo();
}

/** The process that holds the lock; 0 if none does, or it is not written yet. */
function ownerOfTurn(): number {
  try {
    return Number(readFileSync(TURN, 'utf8'));
  } catch {
    return 0;
  }
}

/**
 * Waits until no other test runs Slurm: two on one machine interfere. `stop` or the end of the process releases the
 * lock.
 */
async function takeTurn(): Promise<void> {
  for (;;) {
    try {
      return writeFileSync(TURN, String(process.pid), { flag: 'wx' });
    } catch {
      const owner = ownerOfTurn();
      // A lock being written has no number yet; an old one may have the number of another process.
      const isOld = (statSync(TURN, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < Date.now() - LONGEST_TURN_MS;
      if (isOld || (owner > 0 && !existsSync(`/proc/${owner}`))) rmSync(TURN, { force: true });
      await setTimeout(500);
    }
  }
}
