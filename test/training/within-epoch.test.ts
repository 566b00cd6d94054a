/** @module-tag long */
import { appendFileSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, smallWorld, traceOf, trainSmall, type SmallRun } from '../support/small-run.js';

let world: string;
beforeAll(async () => smallWorld((world = mkdtempSync(join(tmpdir(), 'mtl-within-')))), 60_000);
afterAll(() => rmSync(world, { recursive: true, force: true }));

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

/** A line of metrics.jsonl, whichever it is. */
interface Line {
  readonly step: number;
  readonly epoch: number;
  readonly isEpochEnd?: boolean;
  readonly isBest?: boolean;
  readonly train: { readonly loss: number };
  readonly rates?: { readonly dense: number; readonly embeddings: number };
  readonly valid?: { readonly loss: number; readonly metrics: { readonly ctr: { readonly auc: number } } };
}

const train = (set: readonly string[], options: Omit<SmallRun, 'set'> = {}) =>
  trainSmall(join(world, 'esmm.yaml'), {
    runDir: options.resume === undefined ? 'run' : undefined,
    ...options,
    set: ['training.epochs=2', 'training.earlyStopping=null', ...set],
  });
const linesOf = (run: string): Line[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const measuredIn = (run: string): Line[] => linesOf(run).filter(({ valid }) => valid !== undefined);
const stepsIn = (run: string): Line[] => linesOf(run).filter(({ rates }) => rates !== undefined);
const stepOf = (run: string, link: string): number =>
  Number(/\d+$/.exec(readlinkSync(join(run, 'checkpoints', link)))![0]);
const stepNumbers = (lines: readonly Line[]): number[] => lines.map(({ step }) => step);

// An epoch has 15 batches: 14 of 64 rows and one of 4.
describe('valid', () => {
  it.each([
    ['at the end of each epoch', [], [15, 30]],
    [
      'every so many steps, and at the end of all',
      ['training.evaluation={everySteps: 4}'],
      [4, 8, 12, 16, 20, 24, 28, 30],
    ],
    [
      'at the end of an epoch once, where it is due there',
      ['training.evaluation={everySteps: 5}'],
      [5, 10, 15, 20, 25, 30],
    ],
    [
      'every so many rows, counted on from one epoch into the next',
      ['training.evaluation={everyRows: 200}'],
      [4, 8, 12, 17, 21, 25, 29, 30],
    ],
    [
      'every so many steps of several batches',
      ['training.evaluation={everySteps: 2}', 'training.accumulateBatches=4'],
      [2, 4, 6, 8],
    ],
  ])('is measured %s', async (_, set, expected) => {
    await train(set);
    expect(stepNumbers(measuredIn('run'))).toEqual(expected);
    const ends = linesOf('run').filter(({ isBest, isEpochEnd }) => isBest !== undefined && isEpochEnd !== false);
    expect(ends).toHaveLength(2);
  });

  it('chooses the best weights and stops training within an epoch', async () => {
    const set = [
      'training.evaluation={everySteps: 3}',
      'training.monitor=ctr.auc',
      'training.earlyStopping={patience: 2, minDelta: 0.9}',
    ];
    const { end, bestStep, bestEpoch, metrics } = await train(set);
    const measured = measuredIn('run');
    expect(end).toBe('stopped early');
    expect(stepNumbers(measured)).toEqual([3, 6, 9]);
    const auc = ({ valid }: Line): number => valid!.metrics.ctr.auc;
    const best = measured.reduce((a, b) => (auc(b) > auc(a) ? b : a));
    expect([bestStep, bestEpoch]).toEqual([best.step, 1]);
    expect(stepOf('run', 'best')).toBe(best.step);
    expect(stepOf('run', 'last')).toBe(9);
    expect(metrics['valid']!['ctr']!['auc']).toBe(auc(best));
    // Nothing is left to train.
    expect(await train(set, { resume: 'run' })).toMatchObject({ end: 'stopped early', bestStep });
    expect(stepNumbers(measuredIn('run'))).toEqual([3, 6, 9]);
  });

  it('lowers the rates under a plateau where it makes no progress, and not where it does', async () => {
    const set = ['training.logEverySteps=1', 'training.evaluation={everySteps: 4}', 'training.epochs=1'];
    await train([
      ...set,
      'training.schedule={name: plateau, factor: 0.5, minDelta: 0.9, embeddingScale: 2}',
      'training.monitor=ctr.auc',
    ]);
    const rates = [1, 1, 0.5, 0.25].flatMap((rate) =>
      Array.from({ length: 4 }, () => ({ dense: rate, embeddings: 2 * rate })),
    );
    expect(stepsIn('run').map((line) => line.rates)).toEqual(rates.slice(0, 15));
    await train([...set, 'training.schedule={name: plateau}', 'training.monitor=loss'], { runDir: 'falling' });
    const losses = measuredIn('falling').map(({ valid }) => valid!.loss);
    expect(losses).toEqual(losses.toSorted((a, b) => b - a));
    expect(new Set(stepsIn('falling').map((line) => line.rates!.dense))).toEqual(new Set([1]));
  });
});

describe('a run that is stopped where valid is due', () => {
  const set = [
    'training.evaluation={everySteps: 5}',
    'training.logEverySteps=2',
    'training.schedule={name: plateau, patience: 2}',
    'training.earlyStopping={patience: 4}',
  ];

  it.each([[[5]], [[15]], [[5, 5, 5, 15]], [[4, 1, 1]]])('goes on to the same bytes behind %j steps', async (stops) => {
    await train(set, { runDir: 'whole' });
    for (const [i, count] of stops.entries()) {
      const { signal, on } = abortAtStep(count);
      expect((await train(set, { ...(i > 0 && { resume: 'run' }), signal, on })).end).toBe('interrupted');
    }
    await train(set, { resume: 'run' });
    expect(traceOf('run')).toEqual(traceOf('whole'));
  });
});

describe('losses in metrics.jsonl', () => {
  it('are a curve also of one epoch: a line every so many steps, each the mean since the one before', async () => {
    await train(['training.epochs=1', 'training.logEverySteps=1'], { runDir: 'each' });
    await train(['training.epochs=1', 'training.logEverySteps=3']);
    const each = stepsIn('each').map(({ train: { loss } }) => loss);
    expect(stepNumbers(stepsIn('run'))).toEqual([3, 6, 9, 12, 15]);
    // Both terms count every row, and the last batch has 4 of them.
    const rows = each.map((_, step) => (step === 14 ? 4 : 64));
    const means = [0, 3, 6, 9, 12].map(
      (begin) =>
        [0, 1, 2].reduce((sum, i) => sum + each[begin + i]! * rows[begin + i]!, 0) /
        [0, 1, 2].reduce((sum, i) => sum + rows[begin + i]!, 0),
    );
    stepsIn('run').forEach(({ train: { loss } }, i) => expect(loss).toBeCloseTo(means[i]!, 12));
    expect(new Set(each).size).toBe(15);
  });

  it('are neither lost nor told twice by a run that goes on from before what a killed one told', async () => {
    const set = ['training.logEverySteps=3', 'training.evaluation={everySteps: 7}'];
    await train(set, { runDir: 'whole' });
    const { signal, on } = abortAtStep(10);
    await train(set, { signal, on });
    appendFileSync('run/metrics.jsonl', `${JSON.stringify({ ...stepsIn('run').at(-1)!, step: 12 })}\n{"step":15,"ep`);
    await train(set, { resume: 'run' });
    expect(traceOf('run')).toEqual(traceOf('whole'));
    expect(stepNumbers(stepsIn('run'))).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
  });
});
