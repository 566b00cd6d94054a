import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig, parseStoredConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { CONFIG_RENAMES } from '../../src/config/renames.js';

type Tree = Readonly<Record<string, unknown>>;

const BASE = {
  data: { train: 'train.csv', valid: 'valid.csv' },
  features: { user: { type: 'categorical', fields: ['user'], width: 2 } },
  tasks: { ctr: { label: 'click' }, cvr: { label: 'buy', given: 'click' } },
  model: { name: 'mmoe' },
  training: { epochs: 3, batchSize: 8 },
} satisfies Tree;

/**
 * A key or value of an earlier version: config sections with it, its location, its current value and the parsed value.
 */
interface Earlier {
  readonly map: string;
  readonly from: string;
  readonly to: string;
  readonly config: Tree;
  /** Path of the old key in the config. */
  readonly at: string;
  /** Path of the current key, if it is in another map. */
  readonly path?: string;
  readonly value: unknown;
  readonly now?: unknown;
}

const schedule = (from: string, to: string, options: Tree, value: unknown): Earlier => ({
  map: 'training.schedule',
  from,
  to,
  config: { training: { schedule: options } },
  at: `training.schedule.${from}`,
  value,
});
const metric = (from: string, to: string, options: Tree, value: unknown, now = value): Earlier => ({
  map: 'evaluation.metrics.*',
  from,
  to,
  config: { evaluation: { metrics: [options] } },
  at: `evaluation.metrics.0.${from}`,
  value,
  now,
});
const training = (from: string, to: string, value: unknown, now = value): Earlier => ({
  map: 'training',
  from,
  to,
  config: { training: { [from]: value } },
  at: `training.${from}`,
  value,
  now,
});
const feature = (from: string, to: string, value: unknown): readonly Earlier[] => [
  {
    map: 'features.*',
    from,
    to,
    config: { features: { user: { type: 'categorical', fields: ['user'], width: 2, [from]: value } } },
    at: `features.user.${from}`,
    value,
  },
  {
    map: 'features.*.fields.*',
    from,
    to,
    config: { features: { user: { type: 'categorical', fields: [{ name: 'user', [from]: value }], width: 2 } } },
    at: `features.user.fields.0.${from}`,
    value,
  },
];
const model = (from: string, to: string, options: Tree, value: unknown): Earlier => ({
  map: 'model',
  from,
  to,
  config: { model: options },
  at: `model.${from}`,
  value,
});
const weighting = (from: string, to: string, name: string, value: unknown): Earlier => ({
  map: 'training.lossWeighting',
  from,
  to,
  config: { training: { lossWeighting: { name, [from]: value } } },
  at: `training.lossWeighting.${from}`,
  value,
});

const EARLIER: readonly Earlier[] = [
  {
    map: '',
    from: 'track',
    to: 'loggers',
    config: { track: { tensorboard: true } },
    at: 'track',
    value: { tensorboard: true },
  },
  {
    map: 'data',
    from: 'blank',
    to: 'nullValues',
    config: { data: { ...BASE.data, blank: ['NA'] } },
    at: 'data.blank',
    value: ['NA'],
  },
  {
    map: 'data',
    from: 'sampling',
    to: 'negativeSampling',
    config: { data: { train: 'train.csv', sampling: { negatives: 0.2, seed: 1 } } },
    at: 'data.sampling',
    value: { negatives: 0.2, seed: 1 },
    now: { rate: 0.2, seed: 1 },
  },
  {
    map: 'data.negativeSampling',
    from: 'negatives',
    to: 'rate',
    config: { data: { train: 'train.csv', negativeSampling: { negatives: 0.2 } } },
    at: 'data.negativeSampling.negatives',
    value: 0.2,
  },
  {
    map: 'data.split',
    from: 'by',
    to: 'by',
    config: { data: { train: null, valid: null, source: 'all.csv', split: { by: 'share', shares: { valid: 0.1 } } } },
    at: 'data.split.by',
    value: 'share',
    now: 'random',
  },
  ...feature('blank', 'nullValues', ['NA']),
  ...feature('missing', 'fillMissing', 'token'),
  {
    map: 'tasks.*',
    from: 'missing',
    to: 'onMissing',
    config: { tasks: { ctr: { label: 'click', missing: 'mask' } } },
    at: 'tasks.ctr.missing',
    value: 'mask',
  },
  {
    map: 'tasks.*.loss',
    from: 'by',
    to: 'groupBy',
    config: { tasks: { ctr: { label: 'click', loss: { name: 'pairwise', by: 'user' } } } },
    at: 'tasks.ctr.loss.by',
    value: 'user',
  },
  model('globalWeight', 'entireSpaceWeight', { name: 'escm2-ips', globalWeight: 0.25 }, 0.25),
  model('jointly', 'jointTraining', { name: 'escm2-dr', jointly: true }, true),
  model('native', 'residualExperts', { name: 'adatt', native: false }, false),
  {
    map: 'model.bottom',
    from: 'native',
    to: 'residualExperts',
    config: { model: { name: 'esmm', bottom: { name: 'adatt', native: false } } },
    at: 'model.bottom.native',
    value: false,
  },
  training('accumulate', 'accumulateBatches', 4),
  training('average', 'ema', { decay: 0.5 }),
  training('batchNorm', 'syncBatchNorm', 'local', false),
  training('batchNorm', 'syncBatchNorm', 'global', true),
  training('dealtRows', 'shardTablesFrom', 100),
  training('firstBias', 'biasInit', 'drawn', 'random'),
  training('firstBias', 'biasInit', 'labels', 'prior'),
  training('termWeights', 'lossWeights', { ctr: 2 }),
  training('weighting', 'lossWeighting', { name: 'fixed' }),
  weighting('firstLogVariance', 'initLogVariance', 'uncertainty', 1),
  weighting('firstSteps', 'baselineSteps', 'gradnorm', 7),
  {
    map: 'training.clip',
    from: 'apart',
    to: 'separate',
    config: { training: { clip: { norm: 1, apart: true } } },
    at: 'training.clip.apart',
    value: true,
  },
  schedule('embeddingsFactor', 'embeddingScale', { name: 'constant', embeddingsFactor: 0.5 }, 0.5),
  schedule('firstFactor', 'startFactor', { name: 'one-cycle', firstFactor: 0.5 }, 0.5),
  schedule('lastFactor', 'finalFactor', { name: 'one-cycle', lastFactor: 0.5 }, 0.5),
  schedule('rise', 'warmupShare', { name: 'one-cycle', rise: 0.4 }, 0.4),
  schedule('shape', 'annealStrategy', { name: 'one-cycle', shape: 'linear' }, 'linear'),
  schedule('threePhases', 'threePhase', { name: 'one-cycle', threePhases: true }, true),
  {
    map: 'training.schedule.restarts',
    from: 'stretch',
    to: 'tMult',
    config: { training: { schedule: { name: 'cosine', restarts: { stretch: 2 } } } },
    at: 'training.schedule.restarts.stretch',
    value: 2,
  },
  {
    map: 'training.schedule.warmup',
    from: 'firstFactor',
    to: 'startFactor',
    config: { training: { schedule: { name: 'cosine', warmup: { steps: 5, firstFactor: 0.5 } } } },
    at: 'training.schedule.warmup.firstFactor',
    value: 0.5,
  },
  {
    map: 'evaluation',
    from: 'by',
    to: 'segmentBy',
    config: { evaluation: { by: ['hour'] } },
    at: 'evaluation.by',
    value: ['hour'],
  },
  {
    map: 'evaluation.metrics',
    from: '*',
    to: '*',
    config: { evaluation: { metrics: ['normalisedEntropy'] } },
    at: 'evaluation.metrics.0',
    path: 'evaluation.metrics.0.name',
    value: 'normalisedEntropy',
    now: 'normalizedEntropy',
  },
  metric('as', 'as', { name: 'auc', as: 'normalisedEntropy' }, 'normalisedEntropy', 'normalizedEntropy'),
  metric('name', 'name', { name: 'normalisedEntropy', as: 'ne' }, 'normalisedEntropy', 'normalizedEntropy'),
  metric('alike', 'binning', { name: 'ece', alike: 'width' }, 'width', 'uniform'),
  metric('alike', 'binning', { name: 'ece', alike: 'rows' }, 'rows', 'quantile'),
  metric('by', 'groupBy', { name: 'gauc', by: 'user' }, 'user'),
  metric('interval', 'confidence', { name: 'auc', interval: '95%' }, '95%', 0.95),
  {
    map: 'data.where.**',
    from: 'isBlank',
    to: 'isNull',
    config: {
      data: {
        train: 't.csv',
        where: { any: [{ column: 'user', equals: 1 }, { not: { column: 'user', isBlank: true } }] },
      },
    },
    at: 'data.where.any.1.not.isBlank',
    value: true,
  },
  {
    map: 'tasks.*.label.**',
    from: 'isBlank',
    to: 'isNull',
    config: { tasks: { ctr: { label: { column: 'click', isBlank: false } } } },
    at: 'tasks.ctr.label.isBlank',
    value: false,
  },
  {
    map: 'calibration',
    from: 'spaces',
    to: 'outputs',
    config: { calibration: { method: 'platt', spaces: { ctr: 'none' } } },
    at: 'calibration.spaces',
    value: { ctr: 'none' },
  },
  {
    map: 'checkpoints',
    from: 'alsoBest',
    to: 'bestBy',
    config: { checkpoints: { alsoBest: ['ctr.auc'] } },
    at: 'checkpoints.alsoBest',
    value: ['ctr.auc'],
  },
  {
    map: 'training',
    from: 'monitor',
    to: 'monitor',
    config: {
      training: { monitor: '0.5*ctr.normalisedEntropy + 0.5*ctcvr.normalisedEntropy' },
      evaluation: { metrics: ['normalizedEntropy'] },
    },
    at: 'training.monitor',
    value: '0.5*ctr.normalisedEntropy + 0.5*ctcvr.normalisedEntropy',
    now: '0.5*ctr.normalizedEntropy + 0.5*ctcvr.normalizedEntropy',
  },
  {
    map: 'checkpoints.bestBy',
    from: '*',
    to: '*',
    config: {
      checkpoints: { bestBy: ['ctr.normalisedEntropy'] },
      evaluation: { metrics: ['normalizedEntropy'] },
    },
    at: 'checkpoints.bestBy.0',
    path: 'checkpoints.bestBy.0',
    value: 'ctr.normalisedEntropy',
    now: 'ctr.normalizedEntropy',
  },
  {
    map: 'initFrom',
    from: 'dropped',
    to: 'staleTokens',
    config: { initFrom: { checkpoint: 'old', dropped: 'drop' } },
    at: 'initFrom.dropped',
    value: 'drop',
    now: 'evict',
  },
  {
    map: 'initFrom',
    from: 'take',
    to: 'include',
    config: { initFrom: { checkpoint: 'old', take: 'embeddings' } },
    at: 'initFrom.take',
    value: 'embeddings',
  },
];

function configOf(sections: Tree): string {
  const merged = Object.fromEntries(
    Object.entries({ ...BASE, ...sections }).map(([key, value]) => [
      key,
      key === 'training' ? { ...BASE.training, ...(value as Tree) } : withoutNull(value),
    ]),
  );
  return stringify(merged);
}

const withoutNull = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([, child]) => child !== null))
    : value;

const valueAt = (tree: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((node, step) => (node as Tree)[step], tree);

const renamedPath = ({ at, path, to }: Earlier): string => path ?? [...at.split('.').slice(0, -1), to].join('.');

describe('config of an earlier version', () => {
  it('has a test case for every rename', () => {
    const known = new Set(EARLIER.map(({ map, from, to }) => `${map}: ${from} → ${to}`));
    expect([...new Set(CONFIG_RENAMES.map(({ map, from, to }) => `${map}: ${from} → ${to}`))].sort()).toEqual(
      [...known].sort(),
    );
  });

  it.each(EARLIER)('$at: $value reports its replacement', (earlier) => {
    const { from, to, at, value, now = value, config } = earlier;
    const problem = (): unknown => parseConfig(configOf(config), 'c.yaml');
    const message = from === to ? `"${String(value)}" is now "${String(now)}"` : `'${from}' is now '${to}'`;
    expect(problem).toThrow(`: ${at}: ${message}`);
    if (from !== to) expect(problem).not.toThrow('is missing');
  });

  it.each(EARLIER)('$at: $value loads if a run or a study stored it', (earlier) => {
    const { value, now = value, config } = earlier;
    expect(valueAt(parseStoredConfig(configOf(config), 'c.yaml'), renamedPath(earlier))).toEqual(now);
  });

  it.each(EARLIER.filter(({ from, to }) => from !== to))(
    '$at: $value reports its replacement in an override',
    ({ from, to, at, value, config }) => {
      const set = `${at}=${JSON.stringify(value)}`;
      expect(() => parseConfig(configOf(config), 'c.yaml', [parseOverride(set)])).toThrow(
        `--set ${set}: ${at}: '${from}' is now '${to}'`,
      );
    },
  );

  it('names what replaces a metric if an override has it', () => {
    const set = 'training.monitor=ctr.normalisedEntropy';
    expect(() => parseConfig(configOf({}), 'c.yaml', [parseOverride(set)])).toThrow(
      `--set ${set}: training.monitor: "ctr.normalisedEntropy" is now "ctr.normalizedEntropy"`,
    );
  });

  it('takes overrides if a run or a study stored it', () => {
    const config = configOf({ training: { average: { decay: 0.5 } } });
    const overrides = [parseOverride('training.ema.decay=0.25')];
    expect(parseStoredConfig(config, 'c.yaml', overrides).training.ema).toEqual({ decay: 0.25 });
  });

  it('reports the replacement value if that is renamed too', () => {
    const config = configOf({ training: { batchNorm: 'local' } });
    expect(() => parseConfig(config, 'c.yaml')).toThrow(
      "'batchNorm' is now 'syncBatchNorm'; write syncBatchNorm: false",
    );
  });
});
