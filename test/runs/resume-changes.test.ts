/** @module-tag long */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { checkChanges } from '../../src/config/stored.js';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

let world: string;
let whole: Record<string, string>;
const configOf = (model: string): string => join(world, `${model}.yaml`);

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-changes-'));
  await smallWorld(world);
  const runDir = join(world, 'whole');
  await trainSmall(configOf('esmm'), { runDir });
  whole = traceOf(runDir);
}, 60_000);

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

describe('changes on resume', () => {
  it.each([
    ['training.batchSize=32', 'training.batchSize: the run was trained with 64, but it is now 32'],
    ['model.ctrTower.dropout=0.5', 'model.ctrTower.dropout: the run was trained with 0.3, but it is now 0.5'],
    [
      'training.optimizer.dense.learningRate=0.5',
      'training.optimizer.dense.learningRate: the run was trained with 0.001, but it is now 0.5',
    ],
    [
      'features.user.fields=[121, 101, 122]',
      'features.user.fields: the run was trained with ["101","121","122"], but it is now ["121","101","122"]',
    ],
    ['training.monitor=loss', 'training.monitor: the run was trained with "ctcvr.auc", but it is now "loss"'],
    [
      'features.more={type: numeric, fields: [D508]}',
      'features.more.type: the run was trained with nothing, but it is now "numeric"',
    ],
  ])('%s is rejected with both values, and the run is unchanged', async (set, message) => {
    const { signal, on } = abortAtStep(2);
    await trainSmall(configOf('esmm'), { runDir: 'run', signal, on });
    const before = readdirSync('run', { recursive: true }).sort();
    const attempt = trainSmall(configOf('esmm'), { resume: 'run', set: [set] });
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toMatchObject({ exitCode: 2 });
    expect(readdirSync('run', { recursive: true }).sort()).toEqual(before);
  });

  it('a value that differs after its first 60 characters is rejected and shown where it differs', async () => {
    const fields = '101, 121, 122, 124, 125, 126, 127, 128, 129, 301, 509';
    const { signal, on } = abortAtStep(2);
    await trainSmall(configOf('esmm'), {
      runDir: 'run',
      set: [`features.user.fields=[${fields}, 206]`, 'features.item.fields=[205]'],
      signal,
      on,
    });
    const attempt = trainSmall(configOf('esmm'), {
      resume: 'run',
      set: [`features.user.fields=[${fields}, 207]`, 'features.item.fields=[205]'],
    });
    await expect(attempt).rejects.toThrow(
      /features\.user\.fields: the run was trained with …[^ ]*"509","206"\], but it is now …[^ ]*"509","207"\]/,
    );
  });

  /** A copy of the world that may be changed. */
  const ownWorld = (): string => {
    const folder = scratchFolder();
    for (const file of ['train.csv', 'valid.csv', 'test.csv', 'esmm.yaml'])
      copyFileSync(join(world, file), join(folder, file));
    return folder;
  };
  const stopEarly = async (folder: string): Promise<void> => {
    const { signal, on } = abortAtStep(20);
    await trainSmall(join(folder, 'esmm.yaml'), { runDir: 'run', signal, on });
  };
  const rewrite = (path: string, change: (lines: string[]) => string[]): void =>
    writeFileSync(path, `${change(readFileSync(path, 'utf8').trimEnd().split('\n')).join('\n')}\n`);

  it.each(['train', 'valid'])('removed rows of %s are rejected with the expected bytes', async (split) => {
    const folder = ownWorld();
    await stopEarly(folder);
    rewrite(join(folder, `${split}.csv`), (lines) => lines.slice(0, -1));
    const before = readdirSync('run', { recursive: true }).sort();
    const attempt = trainSmall(join(folder, 'esmm.yaml'), { resume: 'run' });
    await expect(attempt).rejects.toThrow(
      new RegExp(
        `${split}\\.csv: data\\.${split}: has \\d+ bytes, but had \\d+ at training; resume with the same data, ` +
          'or start a new run',
      ),
    );
    await expect(attempt).rejects.toMatchObject({ exitCode: 3 });
    expect(readdirSync('run', { recursive: true }).sort()).toEqual(before);
  });

  it.each(['train', 'valid'])(
    'a label of %s that is another is refused, with the file size and times as they were',
    async (split) => {
      const folder = ownWorld();
      await stopEarly(folder);
      const path = join(folder, `${split}.csv`);
      const { atime, mtime } = statSync(path);
      rewrite(path, (lines) =>
        lines.map((line, i) => (i === 150 ? line.replace(/^\d/, (click) => String(1 - Number(click))) : line)),
      );
      utimesSync(path, atime, mtime);
      const attempt = trainSmall(join(folder, 'esmm.yaml'), { resume: 'run' });
      await expect(attempt).rejects.toThrow(new RegExp(`data\\.${split}: has the same size as at training`));
      await expect(attempt).rejects.toMatchObject({ exitCode: 3 });
    },
  );

  it.each(['train', 'valid'])(
    'a file of %s that lies elsewhere is refused where it holds other rows',
    async (split) => {
      await stopEarly(world);
      const folder = ownWorld();
      rewrite(join(folder, `${split}.csv`), (lines) => lines.slice(0, -1));
      const attempt = trainSmall(configOf('esmm'), {
        resume: 'run',
        set: [`data.${split}=${join(folder, `${split}.csv`)}`],
      });
      await expect(attempt).rejects.toThrow(`data.${split}: has`);
    },
  );

  it('moved data with the same content resumes to bitwise identical results', async () => {
    await stopEarly(world);
    const folder = ownWorld();
    const notices: string[] = [];
    await trainSmall(join(folder, 'esmm.yaml'), { resume: 'run', on: { onWarning: (notice) => notices.push(notice) } });
    expect(notices.join('\n')).toMatch(/changed data\.train: .*train\.csv", now .*train\.csv"/);
    expect({ ...traceOf('run'), state: '' }).toEqual({ ...whole, state: '' });
  });

  it('moved data is rejected if the checkpoint has no fingerprint', () => {
    const experiment = parseConfig(readFileSync(configOf('esmm'), 'utf8'), configOf('esmm'));
    const moved = { ...experiment, data: { ...experiment.data, train: '/elsewhere/train.csv' } };
    expect(() => checkChanges(experiment, moved)).toThrow(
      /data\.train: the run was trained with .*, but it is now "\/elsewhere\/train\.csv"/,
    );
    expect(checkChanges(experiment, moved, ['train'])).toHaveLength(1);
  });

  it.each([
    ['another config', ['seed=5'], 0, /seed: the run was trained with 11/],
    ['less data', [], 1, /data\.train: has \d+ bytes, but had \d+ at training/],
  ])(
    '%s leaves a run that has ended as it was, with its results and bad rows',
    async (_, changes, numMissing, message) => {
      const folder = scratchFolder();
      for (const file of ['train.csv', 'valid.csv', 'test.csv', 'esmm.yaml'])
        copyFileSync(join(world, file), join(folder, file));
      const lines = readFileSync(join(folder, 'train.csv'), 'utf8').trimEnd().split('\n');
      lines.splice(3, 0, lines[3]!.replace(/^[^,]*/, 'x'));
      writeFileSync(join(folder, 'train.csv'), `${lines.join('\n')}\n`);
      const set = ['data.onBadRow=skip', 'training.epochs=1'];
      await trainSmall(join(folder, 'esmm.yaml'), { runDir: 'run', set });
      const state = () =>
        ['results.csv', 'rejects.csv', 'metrics.jsonl', 'config.resolved.yaml', 'overrides.txt'].map((file) =>
          readFileSync(join('run', file), 'utf8'),
        );
      const before = state();
      lines.splice(2, numMissing);
      writeFileSync(join(folder, 'train.csv'), `${lines.join('\n')}\n`);
      await expect(trainSmall(join(folder, 'esmm.yaml'), { resume: 'run', set: [...set, ...changes] })).rejects.toThrow(
        message,
      );
      expect(state()).toEqual(before);
    },
  );

  it('feature groups in another order are rejected', async () => {
    const { signal, on } = abortAtStep(2);
    await trainSmall(configOf('esmm'), { runDir: 'run', signal, on });
    const source = readFileSync(configOf('esmm'), 'utf8');
    const lines = source.split('\n');
    const at = lines.findIndex((line) => line.startsWith('  user:'));
    [lines[at], lines[at + 1]] = [lines[at + 1]!, lines[at]!];
    writeFileSync(join(world, 'other.yaml'), lines.join('\n'));
    await expect(trainSmall(join(world, 'other.yaml'), { resume: 'run' })).rejects.toThrow(
      /features: are in a different order than in the trained run/,
    );
  });

  it('threads, patience, intervals, test data and the config name may change', async () => {
    const { signal, on } = abortAtStep(20);
    await trainSmall(configOf('esmm'), { runDir: 'run', signal, on });
    const set = [
      'training.earlyStopping.patience=7',
      'checkpoints.everySteps=7',
      'checkpoints.keepLast=4',
      'data.test=null',
      'name=other',
      'training.onDivergence=skip',
    ];
    await trainSmall(configOf('esmm'), { resume: 'run', threads: 2, set });
    expect(traceOf('run')['weights']).toBe(whole['weights']);
    expect(readFileSync('run/overrides.txt', 'utf8')).toContain('checkpoints.keepLast=4\n');
  });
});
