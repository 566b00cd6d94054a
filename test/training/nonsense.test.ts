import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/core/tasks.js';
import { taskOptions } from '../../src/core/tasks.js';
import { check } from '../../src/check.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { warnOfRates, createSanityChecks, type Leak } from '../../src/training/sanity-checks.js';
import { trainingOptions } from '../../src/training/options.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const tasks: readonly Task[] = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];

/**
 * What is told of a test with 1,000 rows, a tenth of them positive: predicting the rate for each has a log loss of
 * 0.3251.
 */
async function toldOf(
  values: {
    readonly auc: number;
    readonly logLoss: number;
    readonly pcoc: number;
    readonly rows?: number;
    readonly positives?: number;
  },
  leaks: readonly Leak[] = [],
): Promise<readonly string[]> {
  const told: string[] = [];
  await createSanityChecks(tasks, trainingOptions.parse({}), (notice) => told.push(notice)).results(
    { test: { ctr: { rows: 1000, positives: 100, ...values } } },
    () => Promise.resolve(leaks),
  );
  return told;
}

describe('sanity checks', () => {
  it('warn of an AUC near chance, with possible causes', async () => {
    expect(await toldOf({ auc: 0.51, logLoss: 0.33, pcoc: 1 })).toEqual([
      expect.stringMatching(
        /^test ctr: AUC 0\.5100 is no better than chance on 100 positives; the fields may not predict it/,
      ),
    ]);
    expect(await toldOf({ auc: 0.51, logLoss: 2.3, pcoc: 1.1 })).toEqual([
      expect.stringMatching(
        /no better than chance on 100 positives; log loss is far above that of the base rate, so the learning rate is probably too high/,
      ),
    ]);
    expect(await toldOf({ auc: 0.3, logLoss: 0.33, pcoc: 1 })).toEqual([
      expect.stringMatching(/AUC 0\.3000 is worse than chance; check whether the label is inverted/),
    ]);
  });

  it('warn of miscalibrated predictions only', async () => {
    expect(await toldOf({ auc: 0.7, logLoss: 0.5, pcoc: 3 })).toEqual([
      expect.stringMatching(/3\.0 times the observed rate/),
    ]);
    expect(await toldOf({ auc: 0.7, logLoss: 0.3, pcoc: 1.2 })).toEqual([]);
  });

  it('warn of an AUC above 0.98 on enough rows, with the fields that leak the label', async () => {
    const plain = { logLoss: 0.1, pcoc: 1 };
    expect(await toldOf({ auc: 0.991, ...plain }, [{ field: 'paid', task: 'ctr', auc: 0.99 }])).toEqual([
      "test AUC of ctr 0.9910 is implausibly high: field 'paid' alone predicts ctr with an AUC of 0.9900; " +
        'remove features that are recorded after the event or contain the label',
    ]);
    expect(await toldOf({ auc: 1, ...plain })).toEqual([
      expect.stringMatching(
        /^test AUC of ctr 1\.0000 is implausibly high, although no single field predicts a label.*mtl importance RUN/,
      ),
    ]);
    const five = ['a', 'b', 'c', 'd', 'e'].map((field) => ({ field, task: 'ctr', auc: 1 }));
    expect(await toldOf({ auc: 1, ...plain }, five)).toEqual([
      expect.stringMatching(/field 'a' .*field 'c' alone predicts ctr with an AUC of 1\.0000, as do 2 others; /),
    ]);
    expect(await toldOf({ auc: 0.979, ...plain }, five)).toEqual([]);
    expect(await toldOf({ auc: 1, ...plain, rows: 1000, positives: 19 }, five)).toEqual([]);
    expect(await toldOf({ auc: 1, ...plain, rows: 100, positives: 81 }, five)).toEqual([]);
  });
});

describe('a learning rate', () => {
  const warningsOf = (optimizer: object): readonly string[] => {
    const told: string[] = [];
    warnOfRates(trainingOptions.parse({ optimizer }), (notice) => told.push(notice));
    return told;
  };

  it.each(optimizers.parts.map((part) => [part.name, part] as const))(
    "of %s causes a warning outside the optimizer's usual range only",
    (name, { plausibleRates: [least, most], options }) => {
      const usual = options().learningRate.parse(undefined);
      expect(warningsOf({ embeddings: { name } })).toEqual([]);
      for (const learningRate of [least, usual, most])
        expect(warningsOf({ embeddings: { name, learningRate } })).toEqual([]);
      const ending = `; start from its default, learningRate: ${usual}`;
      expect(warningsOf({ embeddings: { name, learningRate: 2 * most } })).toEqual([
        `training.optimizer.embeddings.learningRate is ${2 * most}, but ${name} rarely learns above ${most}${ending}`,
      ]);
      expect(warningsOf({ embeddings: { name, learningRate: least / 2 } })).toEqual([
        `training.optimizer.embeddings.learningRate is ${least / 2}, but ${name} rarely learns below ${least}${ending}`,
      ]);
    },
  );

  it('of 5 causes the same warning in check and train', async () => {
    const home = process.cwd();
    process.chdir(scratchFolder());
    try {
      await smallWorld('.');
      const set = ['training.optimizer.dense.learningRate=5', 'training.epochs=1'];
      const [checked, trained]: [string[], string[]] = [[], []];
      await check({
        path: 'esmm.yaml',
        set,
        sampleRows: 200,
        device: 'cpu',
        threads: 1,
        onWarning: (notice) => checked.push(notice),
      });
      await trainSmall('esmm.yaml', { set, on: { onWarning: (notice) => trained.push(notice) } });
      const warning =
        'training.optimizer.dense.learningRate is 5, but adam rarely learns above 0.1; start from its default, ' +
        'learningRate: 0.001';
      for (const notices of [checked, trained])
        expect(notices.filter((notice) => notice.includes('learningRate is'))).toEqual([warning]);
    } finally {
      process.chdir(home);
    }
  });
});
