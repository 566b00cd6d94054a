import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { userError } from '../../src/core/errors.js';
import { watchHeartbeats } from '../../src/runs/heartbeat.js';
import { openJournal, type Journal } from '../../src/study/journal.js';
import { launchers } from '../../src/study/launchers/launchers.js';
import { loadStudy } from '../../src/study/load-study.js';
import { openStudy, readStudy, type Study } from '../../src/study/study.js';
import type { TrialResult } from '../../src/study/trial.js';
import { isFree, runTrials } from '../../src/study/worker-loop.js';
import { sweep } from '../../src/sweep.js';
import type { TrainResult } from '../../src/training/observer.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

// The order of the workers' writes is forced: each test takes the place of another worker between two of them.

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-races-'));
  await smallWorld(world);
});
afterAll(() => rmSync(world, { recursive: true, force: true }));
afterEach(() => void vi.restoreAllMocks());

function writeStudy(): string {
  const path = join(scratchFolder(), 'small.yaml');
  const config = `config: ${join(world, 'esmm.yaml')}\nset: { runs: ${join(scratchFolder(), 'runs')} }\n`;
  writeFileSync(path, `${config}metric: ctcvr.auc\nspace: { training.batchSize: [64, 128] }\nsearch: grid\n`);
  return path;
}

async function createStudy(): Promise<Study> {
  const { facts, source, configText } = await loadStudy(writeStudy(), []);
  return (await openStudy(join(scratchFolder(), 'study'), facts, source, configText)).study;
}

const RESULT: TrialResult = { end: 'finished', value: 0.5, deviation: null, runs: [] };
/** Result of a training, of which a worker reads these keys alone. */
const TRAINED = { end: 'finished', monitored: 0.5, bestEpoch: 1, epochs: 1, elapsedMs: 1, metrics: {} } as TrainResult;

describe('a worker', () => {
  it('leaves a trial that it began to another worker that claims it first', async () => {
    const study = await createStudy();
    const [own, other] = [await openJournal(study.folder), await openJournal(study.folder)];
    const journal: Journal = {
      ...own,
      get trials() {
        return own.trials;
      },
      async begin(number, point) {
        const hasBegun = await own.begin(number, point);
        if (number !== 1) return hasBegun;
        // The other worker finds the new trial before this one claims it, and ends it later.
        await other.refresh();
        await other.claim(other.trials[0]!);
        return hasBegun;
      },
    };
    const trained: string[] = [];
    await runTrials(study, journal, {
      signal: new AbortController().signal,
      log: () => undefined,
      async train({ folder }) {
        trained.push(folder.slice(study.folder.length + 1));
        await other.end(1, RESULT);
        return TRAINED;
      },
    });
    expect(trained).toEqual(['002/seed-11']);
    expect(readdirSync(join(study.folder, 'journal')).sort()).toEqual([
      '000001.claim-001.json',
      '000001.result.json',
      '000001.trial.json',
      '000002.claim-001.json',
      '000002.result.json',
      '000002.trial.json',
    ]);
  });

  it('waits before it claims a trial again whose run reports an interruption without a signal', async () => {
    const study = await createStudy();
    vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2026-01-01'));
    const own = await openJournal(study.folder);
    const stop = new AbortController();
    let looks = 0;
    const journal: Journal = {
      ...own,
      get trials() {
        return own.trials;
      },
      async refresh() {
        await own.refresh();
        if (++looks === 6) stop.abort(new Error('enough'));
      },
    };
    await runTrials(study, journal, {
      signal: stop.signal,
      log: () => undefined,
      train: () => Promise.resolve({ ...TRAINED, end: 'interrupted' }),
    });
    const names = readdirSync(join(study.folder, 'journal')).sort();
    expect(names.filter((name) => name.includes('claim'))).toEqual(['000001.claim-001.json', '000002.claim-001.json']);
    expect(names.filter((name) => name.includes('release'))).toHaveLength(2);
  });

  it('waits twice as long after each release of a trial, up to a minute', async () => {
    const study = await createStudy();
    const journal = await openJournal(study.folder);
    await journal.begin(1, {});
    const heartbeats = watchHeartbeats(60_000);
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2026-01-01'));
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      await journal.refresh();
      await journal.claim(journal.trials[0]!);
      await journal.refresh();
      await journal.release(journal.trials[0]!, 'its worker was asked to stop');
      await journal.refresh();
      const { retryAt } = journal.trials[0]!.claims.at(-1)!.release!;
      waits.push((Date.parse(retryAt) - Date.now()) / 1000);
      clock.mockReturnValue(Date.parse(retryAt) - 1);
      expect(await isFree(journal.trials[0]!, heartbeats)).toBe(false);
      clock.mockReturnValue(Date.parse(retryAt));
      expect(await isFree(journal.trials[0]!, heartbeats)).toBe(true);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });
});

describe('mtl sweep', () => {
  it('finishes if a worker failed and others have run all trials', async () => {
    vi.spyOn(launchers, 'build').mockReturnValue(({ study }) =>
      Promise.resolve({
        where: 'here',
        async areAlive() {
          await runTrials(readStudy(study), await openJournal(study), {
            signal: new AbortController().signal,
            log: () => undefined,
            train: () => Promise.resolve(TRAINED),
          });
          throw userError('usage', { message: 'the workers failed' });
        },
        stop: () => Promise.resolve(),
      }),
    );
    const observer = { onStart: () => undefined, onTrial: () => undefined, onLook: () => undefined };
    const options = { overrides: [], device: 'cpu', signal: new AbortController().signal } as const;
    const { end, board } = await sweep(writeStudy(), options, observer);
    expect([end, board.map(({ state }) => state)]).toEqual(['finished', ['finished', 'finished']]);
  });
});
