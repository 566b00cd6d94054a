/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { parseConfig } from '../../src/config/load.js';
import type { Plan } from '../../src/engines/engine.js';
import { evaluate } from '../../src/evaluate.js';
import { buildModel, embeddingParts, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { withEmbeddingParts } from '../../src/tables/layout.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { engines } from '../support/engines.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';
import { eachByNight } from '../support/each-by-night.js';

const tasks: readonly Task[] = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) },
];
const adam = denseOptimizers.schema.parse({ learningRate: 0.01 });
function planOf(name: string, negatives?: number): Plan {
  const spec = models.schema.parse({ name });
  const layout = withEmbeddingParts(
    {
      width: 3,
      tables: [{ name: 'a', rows: 4, width: 2 }],
      columns: [
        { field: 'a', offset: 0, width: 2, kind: 'id', table: 'a' },
        { field: 'b', offset: 2, width: 1, kind: 'number' },
      ],
    },
    embeddingParts(spec, tasks).length,
  );
  return {
    graph: buildModel(spec, layout, tasks, { negativeRate: negatives }),
    layout,
    optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
    seed: 3,
  };
}

function batchOf(): Batch {
  const random = randomStream(1, 'rows');
  const floats = (value: () => number): Float32Array => Float32Array.from({ length: 40 }, value);
  const click = floats(() => random.below(2));
  return toBatch({
    rows: 40,
    ids: new Map([['a', Uint32Array.from({ length: 40 }, () => random.below(4))]]),
    numbers: new Map([['b', floats(() => random.normal())]]),
    labels: new Map([
      ['click', click],
      ['purchase', click.map((y) => y * random.below(2))],
    ]),
  });
}

describe.each(engines)('$name engine', ({ create }) => {
  eachByNight(models.names.map((name) => [name] as const))(
    'corrects predictions of %s for downsampling: p / (p + (1 - p) / share) for the root task, others unchanged',
    {},
    async (name) => {
      const batch = batchOf();
      const [plain, corrected] = await Promise.all(
        [planOf(name), planOf(name, 0.1)].map(async (plan) => {
          const program = (await create()).compile(plan);
          for (let step = 0; step < 3; step++) await program.trainStep(batch);
          const { losses, predictions } = await program.evaluate(batch);
          program.dispose();
          return { losses, predictions };
        }),
      );
      // Both take the same steps: losses are those of the sample.
      expect(corrected!.losses).toEqual(plain!.losses);
      for (const [row, p] of corrected!.predictions.get('ctr')!.entries()) {
        const q = plain!.predictions.get('ctr')![row]!;
        expect(p).toBeCloseTo(q / (q + (1 - q) / 0.1), 6);
      }
      expect(corrected!.predictions.get('cvr')).toEqual(plain!.predictions.get('cvr'));
    },
  );
});

describe('model trained on a sample', () => {
  it.each(['esmm', 'mmoe'])(
    '%s is calibrated on the full validation set, with its product, and when serving',
    async (name) => {
      const folder = scratchFolder();
      const random = randomStream(9, 'world');
      const text = (rows: number): string =>
        `item,click,buy\n${Array.from({ length: rows }, () => {
          const item = random.below(4);
          const click = random.uniform() < [0.02, 0.05, 0.1, 0.2][item]! ? 1 : 0;
          return [item, click, click === 1 && random.uniform() < [0.5, 0.2, 0.4, 0.3][item]! ? 1 : 0].join(',');
        }).join('\n')}\n`;
      writeFileSync(join(folder, 'train.csv'), text(40_000));
      writeFileSync(join(folder, 'valid.csv'), text(20_000));
      const config = join(folder, 'sampled.yaml');
      writeFileSync(
        config,
        `data: { train: train.csv, valid: valid.csv, negativeSampling: { rate: 0.1 } }
features:
  item: { type: categorical, fields: [item], width: 4 }
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: click }
model: { name: ${name} }
training:
  epochs: 8
  monitor: ctcvr.logLoss
  batchSize: 256
  optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.01 } }
`,
      );
      const run = join(folder, 'run');
      const notices: string[] = [];
      const valid = (await trainSmall(config, { runDir: run, on: { onWarning: (notice) => notices.push(notice) } }))
        .metrics['valid']!;
      expect(notices.find((notice) => notice.startsWith('data.train'))).toContain('negatives beyond the sample');
      expect(notices.some((notice) => notice.startsWith('data.valid'))).toBe(false);
      for (const output of ['ctr', 'cvr', 'ctcvr']) {
        expect(valid[output]!['pcoc']).toBeGreaterThan(0.8);
        expect(valid[output]!['pcoc']).toBeLessThan(1.25);
      }
      expect(valid['ctr']!.rows).toBe(20_000);
      expect(
        (
          await evaluate({
            path: run,
            device: 'cpu',
            threads: 1,
            onWarning: () => undefined,
            signal: new AbortController().signal,
          })
        ).metrics['valid'],
      ).toEqual(valid);
    },
  );

  const config = (taskLines: string): string =>
    'data: { train: a.csv, negativeSampling: { rate: 0.1 } }\nfeatures:\n' +
    `  f: { type: categorical, fields: [id] }\ntasks:\n${taskLines}model: { name: mmoe }\n`;
  it.each([
    [
      '  like: { label: like }\n  share: { label: share }\n',
      'expected a single task without given, by which predictions are corrected, found 2: like, share',
    ],
    ['  spend: { label: spend, type: regression }\n', "'spend' is a regression, which has no negatives"],
  ])('is rejected if its predictions cannot be corrected: %s', (taskLines, message) => {
    expect(() => parseConfig(config(taskLines), 'x.yaml')).toThrow(message);
  });

  it('does not select an epoch by the loss of its sample', () => {
    const said = config('  ctr: { label: click }\n').replace('train: a.csv,', 'train: a.csv, valid: b.csv,');
    expect(() => parseConfig(said, 'x.yaml')).toThrow(
      (
        "x.yaml:6:1: training.monitor: 'loss' is not corrected for negative sampling; use a metric, " +
        'such as ctr.logLoss'
      ).slice(12),
    );
    expect(parseConfig(`${said}training: { monitor: ctr.logLoss }\n`, 'x.yaml').training.monitor).toBe('ctr.logLoss');
  });

  it('supports conditional tasks, including a regression', () => {
    expect(
      parseConfig(
        config('  ctr: { label: click }\n  spend: { label: spend, type: regression, given: ctr }\n'),
        'x.yaml',
      ).data.negativeSampling,
    ).toEqual({ rate: 0.1, seed: 0 });
  });
});
