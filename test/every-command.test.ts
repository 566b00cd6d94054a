import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../src/cli/commands/all.js';
import { mtl } from './support/mtl.js';
import { needsPython } from './support/python.js';

// One path through every command, in the order of a project: a command uses what those before it wrote. npm run
// test:all has the other tests of commands.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Arguments of a command, and text that it prints on stdout or stderr, or writes to a file. */
interface Step {
  readonly args: string;
  readonly prints: string;
  readonly writes?: string;
  readonly needs?: string;
}

const STUDY = `config: log.yaml
trials: 2
metric: ctcvr.auc
set: { training.epochs: 1 }
space:
  training.optimizer.dense.learningRate: { type: log-uniform, low: 0.001, high: 0.01 }
`;

const STEPS: readonly Step[] = [
  { args: 'synth log --sequences --train 900 --valid 200 --test 200', prints: 'ctcvr', writes: 'log/test.csv' },
  {
    args: 'init --data log/train.csv --valid log/valid.csv --test log/test.csv --out log.yaml',
    prints: 'next: npx mtl check log.yaml',
    writes: 'log.yaml',
  },
  { args: 'check log.yaml', prints: 'drift valid' },
  { args: 'config show log.yaml', prints: 'name: log' },
  { args: 'data info log.yaml', prints: 'hist_item' },
  { args: 'data cache log', prints: 'vocabularies and scales of log/train.csv' },
  { args: 'crosses log.yaml', prints: '900 of 900 training rows' },
  { args: 'train log.yaml --set training.epochs=1', prints: 'epoch 1/1', writes: 'runs/log/001/report.html' },
  { args: 'train log.yaml --set training.epochs=1 --set seed=5', prints: 'epoch 1/1' },
  { args: 'train --resume runs/log/002 --set training.epochs=2', prints: 'epoch 2/2' },
  { args: 'runs', prints: 'runs/log/002  completed' },
  { args: 'eval runs/log/002', prints: 'checkpoint runs/log/002/' },
  { args: 'predict runs/log/002 --data log/test.csv --out scores.csv', prints: '200 rows', writes: 'scores.csv' },
  { args: 'importance runs/log/002 --repeats 1', prints: 'histories' },
  { args: 'explain runs/log/002 --row 3', prints: 'row 3 of log/test.csv' },
  { args: 'diff runs/log/001 runs/log/002', prints: 'ctcvr.auc' },
  { args: 'report runs/log/001 runs/log/002 --out both.html', prints: 'both.html', writes: 'both.html' },
  { args: 'promote runs/log/002 --to prod', prints: 'points to runs/log/002', writes: 'runs/channels/prod' },
  { args: 'export runs/log/002 --format onnx --out model.onnx', prints: 'model.onnx', writes: 'model.onnx' },
  { args: 'sweep study.yaml', prints: 'trial', writes: 'runs/studies/study' },
  { args: 'baseline log.yaml --rounds 3', prints: 'trees', needs: 'lightgbm' },
  { args: 'synth raw --preset ali-ccp --format raw --train 300 --test 100', prints: 'ctcvr' },
  { args: 'prepare ali-ccp raw prepared', prints: 'vocabulary', writes: 'prepared/config.yaml' },
  { args: 'doctor', prints: 'kernels' },
  { args: 'completion bash', prints: 'complete -o bashdefault' },
  { args: 'setup webgpu --help', prints: 'Install the package webgpu' },
];

describe('every command', () => {
  it('has a step below', () => {
    const names = new Set([...STEPS.map(({ args }) => args.split(' ')[0]!), 'serve', 'live', 'board']);
    expect([...names].sort()).toEqual(commands.map(({ name }) => name).sort());
  });

  it.for(STEPS)('mtl $args', async ({ args, prints, writes, needs }, context) => {
    if (needs !== undefined) needsPython(context, needs);
    if (args.startsWith('sweep')) writeFileSync(join(folder, 'study.yaml'), STUDY);
    const { code, stdout, stderr } = await mtl(folder, args.split(' '));
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining(prints)]);
    if (writes !== undefined) expect(existsSync(join(folder, writes)), writes).toBe(true);
  });

  it('mtl serve answers as mtl predict, and ends at SIGTERM', async () => {
    const [names, ...lines] = readFileSync(join(folder, 'log', 'test.csv'), 'utf8')
      .trim()
      .split('\n');
    const rows = lines.map((line) =>
      Object.fromEntries(names!.split(',').map((name, i) => [name, line.split(',')[i]])),
    );
    let answer: Promise<unknown> | undefined;
    const { code } = await mtl(folder, ['serve', 'runs/log/002', '--port', '0', '--workers', '1'], (printed, kill) => {
      const [url] = /http:\/\/[\d.]+:\d+/.exec(printed) ?? [];
      if (url === undefined || answer !== undefined) return;
      answer = fetch(`${url}/predict`, { method: 'POST', body: JSON.stringify({ rows }) })
        .then((response) => response.json())
        .finally(() => kill('SIGTERM'));
    });
    const [outputs, ...scores] = readFileSync(join(folder, 'scores.csv'), 'utf8').trim().split('\n');
    const predictions = scores.map((line) =>
      Object.fromEntries(outputs!.split(',').map((name, i) => [name, Number(line.split(',')[i])])),
    );
    expect([code, await answer]).toEqual([0, expect.objectContaining({ predictions })]);
  });
});
