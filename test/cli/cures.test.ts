/** @module-tag long */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeRun } from '../../src/runs/run-list.js';
import type { TrainResult } from '../../src/training/observer.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-cures-'));
  await smallWorld(world);
  for (const run of ['1', '2'])
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(world, 'runs', run),
      set: ['training.epochs=1', `seed=${run}`],
    });
}, 60_000);

describe('an error message', () => {
  it('is printed once if several splits of one source share it', async () => {
    const config = readFileSync(join(world, 'esmm.yaml'), 'utf8');
    writeFileSync(
      join(world, 'split.yaml'),
      config
        .replace(/^data:.*$/m, 'data: { source: train.csv, split: { by: random, shares: { valid: 0.1, test: 0.1 } } }')
        .replace('[205, 206]', '[205, 206, 207x]'),
    );
    const { code, stderr } = await mtl(world, ['train', 'split.yaml']);
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/^error: .*train\.csv:1: column "207x": .*did you mean '207'\?\n$/) as string,
    ]);
  });

  it('names the metrics that a name may refer to', async () => {
    const { code, stderr } = await mtl(world, ['runs', '--sort', 'auc']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /; use --sort ctr\.auc or --sort cvr\.auc or --sort cvr_all\.auc or --sort ctcvr\.auc\n$/,
      ) as string,
    ]);
    expect((await mtl(world, ['runs', '--sort', 'ctcvr.acu'])).stderr).toMatch(/; did you mean 'ctcvr\.auc'\?\n$/);
  });

  it('names every key that must not change on resume, and what may change', async () => {
    const { code, stderr } = await mtl(world, [
      'train',
      'esmm.yaml',
      '--resume',
      'runs/1',
      '--set',
      'seed=9',
      '--set',
      'training.batchSize=32',
    ]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /^error: seed: the run was trained with 1, but it is now 9\nerror: training\.batchSize: the run was trained with 64, but it is now 32; this cannot change on resume: [^\n]* --init-from RUN [^\n]*\n$/,
      ) as string,
    ]);
  });

  it.each([
    ['model.name=mmoe', 'model.name: the run was trained with "esmm", but it is now "mmoe"'],
    ['model={name: esmm, tower: 3}', 'model: the run was trained with '],
    [
      'features.user.type=numeric',
      'features.user.type: the run was trained with "categorical", but it is now "numeric"',
    ],
    ['tasks.ctr.label=purchase', 'tasks.ctr.label: the run was trained with "click", but it is now "purchase"'],
    ['tasks.cvr=null', 'tasks.cvr: the run was trained with '],
    ['seed=a', 'seed: the run was trained with 1, but it is now "a"'],
    ['training.monitor=auc', 'training.monitor: the run was trained with "ctcvr.auc", but it is now "auc"'],
    [
      'training.optimizer.dense.name=x',
      'training.optimizer.dense.name: the run was trained with "adam", but it is now "x"',
    ],
    ['data.onBadRow=x', 'data.onBadRow: the run was trained with "error", but it is now "x"'],
  ])('reports that %s cannot change on resume, although the config is invalid with it', async (set, message) => {
    for (const config of [[], ['esmm.yaml']]) {
      const { code, stderr } = await mtl(world, ['train', ...config, '--resume', 'runs/1', '--set', set]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`error: --set ${set}: ${message}`)]);
      expect(stderr).toContain(
        'cannot change on resume: start a new run, or one from the weights of this run with --init-from',
      );
    }
  });

  it('reports another model on resume by its name, without the keys that follow from it', async () => {
    const { code, stderr } = await mtl(world, ['train', 'mmoe.yaml', '--resume', 'runs/1', '--set', 'seed=1']);
    expect(code).toBe(2);
    expect(stderr.split('\n').slice(0, -1)).toEqual([
      expect.stringMatching(
        /^error: model\.name: the run was trained with "esmm", but it is now "mmoe"; this cannot change on resume: /,
      ),
    ]);
  });

  it.each([
    ['training.epochs=a', 'error: --set training.epochs=a: training.epochs: expected'],
    ['training.epoch=3', "did you mean 'epochs'?"],
    ['data.train=5', 'error: --set data.train=5: data.train: '],
  ])('reports %s on resume as it does for a new run', async (set, message) => {
    const { code, stderr } = await mtl(world, ['train', '--resume', 'runs/1', '--set', set]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it('rejects another name for a resumed run', async () => {
    for (const [option, value] of [
      ['--name', 'x'],
      ['--run-dir', 'runs/x'],
    ] as const) {
      const { code, stderr } = await mtl(world, ['train', 'esmm.yaml', '--resume', 'runs/1', option, value]);
      expect([code, stderr]).toEqual([
        2,
        `error: ${option}: conflicts with --resume runs/1, which continues in that run's directory; ` +
          `remove ${option}, or start a new run from its weights with --init-from runs/1\n`,
      ]);
    }
  });

  it('names a missing option', async () => {
    expect((await mtl(world, ['predict', 'runs/1', '--data', 'test.csv'])).stderr).toBe(
      'error: missing required option --out; see npx mtl predict --help\n',
    );
  });
});

describe('mtl runs', () => {
  it('accepts a filter that resembles a command', async () => {
    const { code, stdout } = await mtl(world, ['runs', 'r', '--json']);
    expect([code, (JSON.parse(stdout) as { runs: readonly unknown[] }).runs.length]).toEqual([0, 2]);
  });

  it('shows metrics of runs without a monitor', async () => {
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(world, 'other', 'runs', '1'),
      set: ['training.epochs=1', 'training.monitor=loss'],
    });
    const { stdout } = await mtl(join(world, 'other'), ['runs']);
    expect(stdout.split('\n')[0]).toMatch(
      / best epoch +ctr\.auc +logistic ctr\.auc +cvr\.auc +cvr_all\.auc +ctcvr\.auc$/,
    );
  });

  it('shows the value of a baseline next to that of the same output and metric', async () => {
    const folder = scratchFolder();
    const result = await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(folder, 'runs', '1'),
      set: ['training.epochs=1', 'training.monitor=ctcvr.auc'],
    });
    const other = await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(folder, 'runs', '2'),
      set: ['training.epochs=1', 'training.monitor=ctr.auc'],
    });
    const [header, ...lines] = (await mtl(folder, ['runs'])).stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/));
    expect(header!.slice(-3)).toEqual(['ctcvr.auc', 'logistic ctcvr.auc', 'ctr.auc']);
    const valueOf = ({ baseline }: TrainResult): string => (baseline!.metrics['ctcvr']!['auc'] as number).toFixed(4);
    expect(lines.map((cells) => cells.at(-2))).toEqual([result, other].map(valueOf));
  });

  it('lists the bottom of each run if any run has one', async () => {
    const folder = scratchFolder();
    const train = (run: string, set: readonly string[] = []) =>
      trainSmall(join(world, 'esmm.yaml'), { runDir: join(folder, 'runs', run), set: ['training.epochs=1', ...set] });
    await train('1');
    expect((await mtl(folder, ['runs'])).stdout.split('\n')[0]).not.toContain('bottom');
    await train('2', ['model.bottom={name: mmoe, experts: {count: 2, hidden: [8]}}']);
    await trainSmall(join(world, 'mmoe.yaml'), { runDir: join(folder, 'runs', '3'), set: ['training.epochs=1'] });
    const [header, ...lines] = (await mtl(folder, ['runs'])).stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/));
    expect(header!.slice(2, 4)).toEqual(['model', 'bottom']);
    expect(lines.map((cells) => cells.slice(2, 4))).toEqual([
      ['esmm', '-'],
      ['esmm', 'mmoe'],
      ['mmoe', '-'],
    ]);
    const { runs } = JSON.parse((await mtl(folder, ['runs', '--json'])).stdout) as {
      runs: readonly { bottom: string | null }[];
    };
    expect(runs.map(({ bottom }) => bottom)).toEqual([null, 'mmoe', null]);
  });

  it('rm removes the target of a link', async () => {
    const folder = join(world, 'linked');
    for (const run of ['1', '2'])
      await trainSmall(join(world, 'esmm.yaml'), { runDir: join(folder, 'runs', run), set: ['training.epochs=1'] });
    symlinkSync('2', join(folder, 'runs', 'latest'));
    const { code, stdout } = await mtl(folder, ['runs', 'rm', 'runs/latest']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ {2}runs\/2\nremoved 1 directory, /)]);
    expect(readdirSync(join(folder, 'runs'))).toEqual(['1', 'latest']);
    expect(readlinkSync(join(folder, 'runs', 'latest'))).toBe('1');
  });

  it('shows the metrics of a stopped run so far', async () => {
    const { signal, on } = abortAtStep(20);
    await trainSmall(join(world, 'esmm.yaml'), { runDir: join(world, 'stopped', '1'), signal, on });
    const [line] = readFileSync(join(world, 'stopped', '1', 'metrics.jsonl'), 'utf8')
      .split('\n')
      .filter((each) => each.includes('"valid"'));
    expect(describeRun(join(world, 'stopped', '1'), 0)).toMatchObject({
      state: 'stopped',
      metrics: { valid: (JSON.parse(line!) as { valid: { metrics: object } }).valid.metrics },
    });
  });
});

describe('mtl runs --csv', () => {
  it('prints a table of all runs and nothing else', async () => {
    const { code, stdout } = await mtl(world, ['runs', '--csv']);
    const lines = stdout.trimEnd().split('\n');
    expect([code, lines.length]).toEqual([0, 3]);
    expect(lines.map((line) => line.slice(0, 4))).toEqual(['run,', 'runs', 'runs']);
    expect(lines[0]).toContain(',test.ctcvr.auc');
  });
});
