import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { TestContext } from 'vitest';

const PROGRAMS = ['slurmctld', 'slurmd', 'sbatch', 'munged', 'mungekey'];
const [MUNGE_KEY, MUNGE_RUN] = ['/etc/munge/munge.key', '/run/munge'];

/** Skips a test, with the reason, where no Slurm can be started. */
export function needsSlurm({ skip }: Pick<TestContext, 'skip'>): void {
  const missing = PROGRAMS.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status !== 0);
  if (missing.length > 0) skip(`there is no ${missing.join(', ')}: apt-get install slurm-wlm`);
  if (process.getuid?.() !== 0) skip('starting slurmd takes root');
}

/** A Slurm of two nodes with one core each, on this very machine. */
export interface Slurm {
  /** Runs one of its programs. */
  run(program: string, ...args: readonly string[]): string;
  stop(): void;
}

/** Starts a controller and two nodes, without systemd or cgroups, and has this process's children talk to it. */
export async function startSlurm(folder: string): Promise<Slurm> {
  const at = (...path: readonly string[]): string => join(folder, ...path);
  for (const name of ['spool', 'state']) mkdirSync(at(name));
  const munge = Number(execFileSync('id', ['-u', 'munge'], { encoding: 'utf8' }));
  if (!existsSync(MUNGE_KEY)) execFileSync('mungekey', ['-c']);
  chownSync(MUNGE_KEY, munge, munge);
  mkdirSync(MUNGE_RUN, { recursive: true });
  chownSync(MUNGE_RUN, munge, munge);
  chmodSync(MUNGE_RUN, 0o755);
  if (!existsSync(join(MUNGE_RUN, 'munge.socket.2'))) execFileSync('su', ['-s', '/bin/sh', 'munge', '-c', 'munged']);
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
  const run: Slurm['run'] = (program, ...args) => execFileSync(program, [...args], { encoding: 'utf8' });
  run('slurmctld');
  for (const node of ['n1', 'n2']) run('slurmd', '-N', node);
  for (let look = 0; look < 60 && !/idle/.test(spawnSync('sinfo', ['--noheader', '--format=%T'], { encoding: 'utf8' }).stdout); look++) await setTimeout(500);
  return {
    run,
    stop() {
      delete process.env['SLURM_CONF'];
      for (const name of readdirSync(folder).filter((file) => file.endsWith('.pid'))) {
        try {
          process.kill(Number(readFileSync(at(name), 'utf8')), 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
    },
  };
}
