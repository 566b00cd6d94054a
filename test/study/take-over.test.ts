/** @module-tag nightly */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

// A process with a host name of its own stands for one of another machine: whether it lives, only its claim's time can
// say.

const ELSEWHERE = 'elsewhere';
/** A worker says every five seconds that it lives. */
const STALE_SECONDS = 9;

function needsHostNames({ skip }: Pick<TestContext, 'skip'>): void {
  const { status } = spawnSync('unshare', ['--uts', 'hostname', ELSEWHERE], { stdio: 'ignore' });
  if (status !== 0) skip('giving a process a host name of its own takes unshare (Linux) and root');
}

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-take-over-'));
  await smallWorld(world);
});

/** A study of one trial, whose only worker is elsewhere. */
function studyElsewhere(epochs: number): { readonly cwd: string; readonly file: string; readonly study: string } {
  const cwd = scratchFolder();
  const file = join(cwd, 'small.yaml');
  writeFileSync(
    file,
    `config: ${join(world, 'esmm.yaml')}\nmetric: ctcvr.auc\n` +
      `set: { training.epochs: ${epochs}, training.earlyStopping: null }\nspace: { training.batchSize: [8] }\n` +
      `search: { name: grid }\nstaleMinutes: ${STALE_SECONDS / 60}\n` +
      `launcher: { name: command, run: 'exec unshare --uts sh -c "hostname ${ELSEWHERE} && exec {mtl}"' }\n`,
  );
  return { cwd, file, study: join(cwd, 'runs', 'studies', 'small') };
}

interface Owner {
  readonly pid: number;
  readonly host: string;
}

function ownersOf(study: string): readonly Owner[] {
  try {
    const journal = join(study, 'journal');
    return readdirSync(journal)
      .filter((name) => name.includes('.claim-'))
      .sort()
      .map((name) => (JSON.parse(readFileSync(join(journal, name), 'utf8')) as { readonly owner: Owner }).owner);
  } catch {
    // It has not begun.
    return [];
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setTimeout(100);
}

/** The first checkpoint of the only trial is there. */
function hasSaved(study: string): boolean {
  return readdirSync(study, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('/last'));
}

describe('a trial of a worker on another machine', () => {
  it('stays with it while it is alive', { timeout: 180_000 }, async (context) => {
    needsHostNames(context);
    const { cwd, file, study } = studyElsewhere(100_000);
    let kill: ((signal: NodeJS.Signals) => void) | undefined;
    const sweep = mtl(cwd, ['sweep', file], (_, end) => (kill = end));
    await until(() => ownersOf(study).length === 1 && kill !== undefined);
    let killWorker: ((signal: NodeJS.Signals) => void) | undefined;
    // It finds nothing to do, and waits.
    const worker = mtl(cwd, ['sweep', file, '--set', 'launcher=local'], (_, end) => (killWorker = end));
    await until(() => killWorker !== undefined);
    await setTimeout(2.5 * STALE_SECONDS * 1000);
    expect(ownersOf(study).map(({ host }) => host)).toEqual([ELSEWHERE]);
    killWorker!('SIGTERM');
    kill!('SIGTERM');
    expect([(await worker).code, (await sweep).code]).toEqual([143, 143]);
  });

  it('is resumed by another worker once its heartbeat is stale', { timeout: 180_000 }, async (context) => {
    needsHostNames(context);
    const { cwd, file, study } = studyElsewhere(8);
    const sweep = mtl(cwd, ['sweep', file]);
    await until(() => ownersOf(study).length === 1 && hasSaved(study));
    process.kill(ownersOf(study)[0]!.pid, 'SIGKILL');
    expect(await sweep).toMatchObject({ code: 2 });
    const { code, stdout } = await mtl(cwd, ['sweep', file, '--set', 'launcher=local', '--json']);
    expect(code).toBe(0);
    expect(ownersOf(study).map(({ host }) => host)).toEqual([ELSEWHERE, os.hostname()]);
    const [trial] = (
      JSON.parse(stdout) as {
        readonly trials: readonly {
          readonly state: string;
          readonly value: number;
          readonly runs: readonly string[];
        }[];
      }
    ).trials;
    expect(trial!.state).toBe('finished');
    const { changes } = JSON.parse(readFileSync(join(study, trial!.runs[0]!, 'summary.json'), 'utf8')) as {
      readonly changes: readonly string[];
    };
    const byHand = await mtl(cwd, [
      'train',
      join(world, 'esmm.yaml'),
      ...changes.flatMap((change) => ['--set', change]),
      '--json',
    ]);
    expect(JSON.parse(byHand.stdout)).toMatchObject({ monitored: trial!.value });
  });
});
