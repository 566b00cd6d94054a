/** @module-tag nightly */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readSummary } from '../../src/runs/summary.js';
import { openJournal } from '../../src/study/journal.js';
import { loadStudy } from '../../src/study/load-study.js';
import { openStudy } from '../../src/study/study.js';
import { work } from '../../src/sweep.js';
import type { Fate } from '../support/failing-disk.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, traceOf } from '../support/small-run.js';

const disk = await vi.hoisted(async () => (await import('../support/failing-disk.js')).createFailingDisk());
vi.mock('node:fs/promises', async (original) => disk.over(await original()));
vi.mock('node:fs', async (original) => disk.overSync(await original()));
// Workers of this process run one after the other, so each has exited when the next one looks.
vi.mock('../../src/system/owner.js', async (original) => ({ ...(await original<object>()), hasExited: () => true }));

const HOUR_MS = 3_600_000;
const now = Date.now.bind(Date);
let hours = 0;

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-worker-crash-'));
  await smallWorld(world);
});
afterAll(() => rmSync(world, { recursive: true, force: true }));
afterEach(() => (disk.reset(), vi.restoreAllMocks()));

/** Creates a study of one trial of one epoch, with two steps, a test set and a baseline. */
async function createStudy(): Promise<string> {
  const path = join(scratchFolder(), 'small.yaml');
  writeFileSync(
    path,
    `config: ${join(world, 'esmm.yaml')}\nmetric: ctcvr.auc\nspace: { training.batchSize: [512] }\nsearch: grid\n` +
      `set: { training.epochs: 1, runs: ${join(scratchFolder(), 'runs')} }\n`,
  );
  const { facts, source, configText } = await loadStudy(path, []);
  const { study } = await openStudy(join(scratchFolder(), 'study'), facts, source, configText);
  disk.reset();
  return study.folder;
}

function runWorker(study: string, signal = new AbortController().signal): Promise<void> {
  return work(study, { device: 'cpu', threads: 1, signal, log: () => undefined });
}

/** Returns what a study has in common with an undisturbed one. */
async function readOutcome(study: string): Promise<object> {
  const { trials } = await openJournal(study);
  const run = join(study, '001', 'seed-11');
  const { end, baseline, epochs, steps } = readSummary(run)!;
  const results = trials.map(({ point, result }) => ({
    point,
    result: { ...result, runs: result?.runs.map((each) => ({ ...each, elapsedMs: 0 })) },
  }));
  return { results, end, baseline, epochs, steps, trace: traceOf(run) };
}

/** Runs a worker that stops before it claims a trial again. */
async function runNextWorker(study: string): Promise<void> {
  const stop = new AbortController();
  disk.fate = ({ path }): Fate => {
    if (path.includes('.claim-003')) stop.abort(new Error('claimed again'));
    return 'done';
  };
  await runWorker(study, stop.signal);
  disk.reset();
}

/** Returns the disk operations of an undisturbed worker after the last step, with their numbers, and its outcome. */
async function runUndisturbed() {
  // The first one also fills the cache of the data.
  await runWorker(await createStudy());
  const study = await createStudy();
  await runWorker(study);
  const operations = disk.operations.map(({ kind, path }, i) => ({ at: i + 1, kind, path }));
  const last = operations.findIndex(({ path }) => path.endsWith('metrics.jsonl'));
  return { operations: operations.slice(last), expected: await readOutcome(study) };
}

describe('a worker after the last step of a run', () => {
  it.each(['dies within', 'dies after', 'is stopped at'] as const)(
    'leaves a trial with an undisturbed result to the next worker wherever it %s an operation',
    { timeout: 600_000 },
    async (event) => {
      vi.spyOn(Date, 'now').mockImplementation(() => now() + hours * HOUR_MS);
      const { operations, expected } = await runUndisturbed();
      expect(operations.length).toBeGreaterThan(80);
      for (const { at, kind } of operations) {
        // To die within any other operation is to die after the one before it.
        if (event === 'dies within' && kind !== 'write' && kind !== 'rm') continue;
        const study = await createStudy();
        const stop = new AbortController();
        disk.fate = (_, number): Fate => {
          if (number !== at) return 'done';
          if (event !== 'is stopped at') return event;
          stop.abort(new Error('SIGTERM'));
          return 'done';
        };
        const worker = runWorker(study, stop.signal);
        if (event === 'is stopped at') await worker;
        else await worker.catch(() => undefined);
        disk.reset();
        // The wait after a release is over.
        hours++;
        await runNextWorker(study);
        expect(await readOutcome(study), `operation ${at}`).toEqual(expected);
      }
    },
  );
});
