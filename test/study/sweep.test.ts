/** @module-tag long */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseOverride } from '../../src/config/overrides.js';
import { randomStream } from '../../src/core/random.js';
import { readSummary } from '../../src/runs/summary.js';
import { loadStudy } from '../../src/study/load-study.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

interface Listed {
  readonly number: number;
  readonly state: string;
  readonly value: number | null;
  readonly deviation: number | null;
  readonly point: Readonly<Record<string, unknown>>;
  readonly runs: readonly string[];
}
interface Swept {
  readonly study: string;
  readonly end: string;
  readonly trials: readonly Listed[];
}

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-sweep-'));
  await smallWorld(world);
});

/** Writes a study of the small world; gives its path. */
function writeStudy(text: string): string {
  const path = join(scratchFolder(), 'small.yaml');
  writeFileSync(path, `config: ${join(world, 'esmm.yaml')}\nmetric: ctcvr.auc\nset: { training.epochs: 2 }\n${text}`);
  return path;
}

const GRID =
  'space:\n  training.batchSize: [64, 128]\n' +
  '  model.ctrTower.dropout: { type: uniform, low: 0, high: 0.4, steps: 3 }\nsearch: grid\n';
/** Parses the output of a sweep; an error of the sweep fails the test with its message. */
function swept(stdout: string): Swept {
  const output = JSON.parse(stdout) as Swept;
  expect(output, stdout).toHaveProperty('trials');
  return output;
}
/** What is written; what a worker that was killed was still writing begins with a dot. */
const journalOf = (cwd: string): readonly string[] =>
  readdirSync(join(cwd, 'runs', 'studies', 'small', 'journal'))
    .filter((name) => !name.startsWith('.'))
    .sort();

describe('mtl sweep', () => {
  it(
    'trains every point of a grid once, with workers side by side, and tells the best first',
    { timeout: 120_000 },
    async () => {
      const cwd = scratchFolder();
      const study = writeStudy(`${GRID}parallel: 2\nseeds: [5, 6]\n`);
      const { code, stdout, stderr } = await mtl(cwd, ['sweep', study, '--json']);
      expect([code, stderr]).toEqual([0, expect.stringContaining('6 configs checked')]);
      const { trials, end } = swept(stdout);
      expect(end).toBe('finished');
      expect(trials.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => 'finished'));
      expect(new Set(trials.map(({ point }) => JSON.stringify(point)))).toEqual(
        new Set(
          [64, 128].flatMap((size) =>
            [0, 0.2, 0.4].map((dropout) =>
              JSON.stringify({ 'training.batchSize': size, 'model.ctrTower.dropout': dropout }),
            ),
          ),
        ),
      );
      expect(trials.map(({ value }) => value)).toEqual(trials.map(({ value }) => value).sort((a, b) => b! - a!));

      // All runs have one baseline, whose seed is the first.
      const folder = join(cwd, 'runs', 'studies', 'small');
      const [file, ...others] = readdirSync(join(folder, 'baselines'));
      expect(others).toEqual([]);
      const stored = JSON.parse(readFileSync(join(folder, 'baselines', file!), 'utf8')) as unknown;
      for (const run of trials.flatMap(({ runs }) => runs))
        expect(readSummary(join(folder, run))!.baseline).toEqual(stored);
      const set = { 'training.epochs': 1, seed: 5 };
      const sets = Object.entries(set).map(([key, value]) => `--set=${key}=${value}`);
      expect(
        (await mtl(cwd, ['train', join(world, 'esmm.yaml'), ...sets, '--no-report', '--run-dir', 'alone'])).code,
      ).toBe(0);
      expect(readSummary(join(cwd, 'alone'))!.baseline).toEqual(stored);

      // A trial is the mean of ordinary runs, each of which can be had by hand.
      const [best] = trials;
      expect(best!.runs).toEqual([5, 6].map((seed) => `${String(best!.number).padStart(3, '0')}/seed-${seed}`));
      const found = best!.runs.map(
        (run) =>
          JSON.parse(readFileSync(join(cwd, 'runs', 'studies', 'small', run, 'summary.json'), 'utf8')) as {
            monitored: number;
            monitor: string;
            changes: readonly string[];
          },
      );
      expect(found[0]!.monitor).toBe('ctcvr.auc');
      expect(best!.value).toBeCloseTo((found[0]!.monitored + found[1]!.monitored) / 2, 12);
      expect(best!.deviation).toBeCloseTo(Math.abs(found[0]!.monitored - found[1]!.monitored) / Math.SQRT2, 12);
      const byHand = await mtl(cwd, [
        'train',
        join(world, 'esmm.yaml'),
        ...found[1]!.changes.flatMap((change) => ['--set', change]),
        '--json',
      ]);
      expect(JSON.parse(byHand.stdout)).toMatchObject({ monitored: found[1]!.monitored });

      // It is drawn; a page that cannot be is told of, and the study has ended well.
      const page = join(cwd, 'runs', 'studies', 'small', 'study.html');
      expect(readFileSync(page, 'utf8')).toContain('<h2>Leaderboard</h2>');
      rmSync(page);
      mkdirSync(page);
      const undrawn = await mtl(cwd, ['sweep', study]);
      expect([undrawn.code, undrawn.stdout]).toEqual([
        0,
        expect.stringMatching(
          /cannot write the study page: .*study\.html: cannot be written: it is a directory.*; retry with npx mtl sweep show \S+ --html/,
        ),
      ]);

      // Once more, there is nothing to do; and with more seeds it would be another study.
      const before = journalOf(cwd);
      expect(swept((await mtl(cwd, ['sweep', study, '--json'])).stdout).trials).toEqual(trials);
      expect(journalOf(cwd)).toEqual(before);
      const other = await mtl(cwd, ['sweep', study, '--set', 'seeds=3']);
      expect([other.code, other.stderr]).toEqual([
        2,
        expect.stringMatching(/runs\/studies\/small: seeds: changed since the study began; .*--set name=small-2/),
      ]);
    },
  );

  it('completes every trial once, whichever workers are killed', { timeout: 240_000, tags: ['nightly'] }, async () => {
    const cwd = scratchFolder();
    const study = writeStudy(`${GRID}parallel: 3\nmaxAttempts: 999\n`);
    const undisturbed = swept((await mtl(scratchFolder(), ['sweep', study, '--json'])).stdout).trials;
    const random = randomStream(Number(process.env['MTL_KILL_SEED'] ?? 0), 'kill workers');
    const numKills = Number(process.env['MTL_KILLS'] ?? 6);
    let kills = 0;
    const timer = setInterval(() => {
      const living = claimsOf(cwd).filter(isAlive);
      if (kills < numKills && living.length > 0 && random.uniform() < 0.5) {
        process.kill(living[random.below(living.length)]!, 'SIGKILL');
        kills++;
      }
    }, 300);
    const { code, stdout, stderr } = await mtl(cwd, ['sweep', study, '--json']);
    clearInterval(timer);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(kills).toBeGreaterThan(0);
    const { trials } = swept(stdout);
    // Same numbers, same points, same values to the last bit: a trial that was taken over went on with its run.
    expect(trials).toEqual(undisturbed.map((trial) => ({ ...trial, elapsedMs: expect.any(Number) as number })));
    expect(journalOf(cwd).filter((name) => name.includes('.trial.'))).toHaveLength(6);
    expect(journalOf(cwd).filter((name) => name.includes('.result.'))).toHaveLength(6);
    expect(journalOf(cwd).filter((name) => name.includes('.claim-')).length).toBeGreaterThan(6);
  });

  it('releases its trials when stopped, and resumes them', { timeout: 120_000, tags: ['nightly'] }, async () => {
    const cwd = scratchFolder();
    const study = writeStudy('space: { training.batchSize: [16, 32] }\nsearch: grid\nparallel: 2\n');
    const stopped = await mtl(cwd, ['sweep', study], (text, kill) => {
      if (text.includes('workers') && !text.includes('SIGTERM')) setTimeout(() => kill('SIGTERM'), 1500);
    });
    if (stopped.code !== 0)
      expect([stopped.code, stopped.stdout]).toEqual([143, expect.stringContaining('run the same command to resume')]);
    const { code, stdout } = await mtl(cwd, ['sweep', study, '--json']);
    expect(code).toBe(0);
    expect(swept(stdout).trials.map(({ state }) => state)).toEqual(['finished', 'finished']);
  });

  it('suggests the same points in any worker, and resumes with more of them', { timeout: 120_000 }, async () => {
    const space =
      'space:\n  training.optimizer.dense.learningRate: { type: log-uniform, low: 0.0001, high: 0.1, ' +
      'linkedKeys: [training.optimizer.embeddings.learningRate] }\n  model.ctrTower.hidden: [[4], [8]]\n' +
      '  model.cvrTower.dropout: { type: uniform, low: 0.1, high: 0.3, when: { model.ctrTower.hidden: ' +
      '[[8]] } }\n';
    const study = writeStudy(`${space}trials: 2\n`);
    const cwd = scratchFolder();
    const two = swept((await mtl(cwd, ['sweep', study, '--json'])).stdout).trials;
    const four = swept(
      (await mtl(cwd, ['sweep', study, '--set', 'trials=4', '--set', 'parallel=2', '--json'])).stdout,
    ).trials;
    expect(four.filter(({ number }) => number <= 2)).toEqual(two);
    for (const { point } of four)
      expect(Object.hasOwn(point, 'model.cvrTower.dropout')).toBe(
        JSON.stringify(point['model.ctrTower.hidden']) === '[8]',
      );
    const changes = readFileSync(join(cwd, 'runs', 'studies', 'small', '001', 'seed-11', 'overrides.txt'), 'utf8');
    const rate = four.find(({ number }) => number === 1)!.point['training.optimizer.dense.learningRate'];
    for (const table of ['dense', 'embeddings'])
      expect(changes).toContain(`training.optimizer.${table}.learningRate=${String(rate)}\n`);
  });

  it(
    'stops trials at a rung where others do better, and leaves runs that can go on',
    { timeout: 120_000, tags: ['nightly'] },
    async () => {
      const study = writeStudy(
        'space: { training.optimizer.dense.learningRate: [0.01, 1.0e-6, 1.0e-7, 1.0e-8], training.biasInit: ' +
          '[random] }\nsearch: grid\nasha: { minEpochs: 1, reductionFactor: 2 }\n',
      );
      const cwd = scratchFolder();
      const { code, stdout } = await mtl(cwd, ['sweep', study, '--json']);
      expect(code).toBe(0);
      const { trials } = swept(stdout);
      const stopped = trials.filter(({ state }) => state === 'stopped');
      expect(trials[0]!.state).toBe('finished');
      expect(stopped.length).toBeGreaterThanOrEqual(1);
      for (const { runs } of stopped) {
        const folder = join(cwd, 'runs', 'studies', 'small', runs[0]!);
        expect(JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'))).toMatchObject({
          end: 'interrupted',
          epochs: 1,
        });
        const went = await mtl(cwd, ['train', '--resume', folder, '--json']);
        expect(JSON.parse(went.stdout)).toMatchObject({ end: 'finished', epochs: 2 });
      }
    },
  );

  it('records a diverged trial as failed and continues', { timeout: 60_000 }, async () => {
    const study = writeStudy('space: { training.optimizer.dense.learningRate: [1.0e+300, 0.01] }\nsearch: grid\n');
    const { code, stdout } = await mtl(scratchFolder(), ['sweep', study, '--json']);
    expect(code).toBe(0);
    expect(swept(stdout).trials).toMatchObject([
      { number: 2, state: 'finished' },
      { number: 1, state: 'failed', value: null, message: expect.stringMatching(/loss 'ctr': is NaN/) as string },
    ]);
  });

  it("stops on a data error and reports the worker's message", { timeout: 60_000 }, async () => {
    const study = writeStudy('space: { training.batchSize: [64] }\nsearch: grid\n');
    writeFileSync(
      study,
      readFileSync(study, 'utf8').replace('training.epochs: 2', 'training.epochs: 2, data.train: gone.csv'),
    );
    const { code, stderr } = await mtl(scratchFolder(), ['sweep', study]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/the workers failed; [^]*gone\.csv: data\.train: no such file/),
    ]);
  });
});

describe('an invalid study', () => {
  const problemsOf = async (text: string, more: readonly string[] = []): Promise<string> => {
    const { code, stderr } = await mtl(scratchFolder(), ['sweep', writeStudy(text), ...more]);
    expect(code).toBe(2);
    return stderr.replace(/\/\S*small\.yaml/g, 'small.yaml');
  };

  it.each([
    [
      'a key that the config does not have',
      'space:\n  training.batchsize: [1, 2]\nsearch: grid\n',
      "small.yaml:5:3: training.batchsize: unknown key; did you mean 'batchSize'?",
    ],
    [
      'a value that the config does not take',
      'space:\n  training.batchSize: [64, 0]\nsearch: grid\n',
      'small.yaml:5:3: training.batchSize: expected at least 1, found 0',
    ],
    [
      'a key of the study that there is not',
      'spaces: {}\n',
      "small.yaml:4:1: spaces: unknown key; did you mean 'space'?",
    ],
    ['a metric that is not measured', 'metric2: 1\nspace: { training.batchSize: [64] }\n', 'metric2: unknown key'],
    [
      'the end of a line out of what the config takes',
      'space:\n  model.ctrTower.dropout: { type: uniform, low: 0, high: 1.5 }\ntrials: 5\n',
      'small.yaml:5:3: model.ctrTower.dropout: expected less than 1, found 1.5',
    ],
    [
      'ends the wrong way round',
      'space: { model.ctrTower.dropout: { type: uniform, low: 0.5, high: 0.1 } }\ntrials: 5\n',
      'expected a number above low (0.5), found 0.1',
    ],
    [
      'a grid without values',
      'space: { model.ctrTower.dropout: { type: uniform, low: 0, high: 0.5 } }\nsearch: grid\n',
      'a grid search requires a finite set of values; add steps: 5 or list the values',
    ],
    ['no end', 'space: { training.batchSize: [64] }\n', 'a tpe search requires a limit; add trials: 20 or hours: 1'],
    [
      'a condition on what is not there',
      'space: { training.batchSize: { type: choices, values: [64], when: { model.nam: esmm } } }\ntrials: 1\n',
      'expected a parameter listed above, but there is none',
    ],
    [
      'what is set and lost in a section that is varied',
      'space: { training: [{ epochs: 2 }] }\ntrials: 1\n',
      "small.yaml:3:25: set.training.epochs: the section 'training' in space overrides the key; " +
        'add it to each value of the section',
    ],
    [
      'a rung that no trial comes to',
      'space: { training.batchSize: [64] }\ntrials: 1\nasha: { minEpochs: 2 }\n',
      'small.yaml:6:20: asha.minEpochs: the first comparison after 2 epochs never happens',
    ],
    ['the seed', 'space: { seed: [1, 2] }\ntrials: 1\n', 'the study sets this key itself; use seeds: [1, 2, 3]'],
  ])('with %s is reported with its place', async (_, text, expected) => {
    expect(await problemsOf(text)).toContain(expected);
  });

  it.each([
    [
      'set.training={ epochs: 3 }',
      "--set set.training={ epochs: 3 }: set.training: the section 'training' overrides 'training.epochs' above it; " +
        'move it above that key',
    ],
    ['set.training.epochs=0', '--set set.training.epochs=0: training.epochs: expected at least 1, found 0'],
  ])('with --set %s is reported', async (change, expected) => {
    expect(await problemsOf('space: { training.batchSize: [64] }\ntrials: 1\n', ['--set', change])).toContain(expected);
  });

  it('treats a config path as one key in --set', async () => {
    const overrides = [
      'set.training.epochs=1',
      'space.training.batchSize=[32]',
      'space.model.ctrTower.dropout.high=0.2',
    ].map(parseOverride);
    const { facts } = await loadStudy(writeStudy(GRID), overrides);
    expect(facts.options.set).toEqual({ 'training.epochs': 1 });
    expect(facts.options.space).toMatchObject({
      'training.batchSize': { values: [32] },
      'model.ctrTower.dropout': { low: 0, high: 0.2, steps: 3 },
    });
  });
});

/** The processes that the last claims of a study name. */
function claimsOf(cwd: string): readonly number[] {
  try {
    return journalOf(cwd)
      .filter((name) => name.includes('.claim-'))
      .map(
        (name) =>
          (
            JSON.parse(readFileSync(join(cwd, 'runs', 'studies', 'small', 'journal', name), 'utf8')) as {
              owner: { pid: number };
            }
          ).owner.pid,
      );
  } catch {
    // It has not begun.
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
