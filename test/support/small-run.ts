import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { synth } from '../../src/synth.js';
import { train, type TrainOptions } from '../../src/train.js';
import type { TrainObserver, TrainResult } from '../../src/training/observer.js';

/** Writes a small world and a config per model, with dropout, windowed shuffling, and early stopping. */
export async function smallWorld(folder: string): Promise<void> {
  await synth({
    folder,
    seed: 3,
    rows: { train: 900, valid: 300, test: 300 },
    users: 50,
    items: 30,
    rates: { click: 0.3, purchase: 0.3 },
  });
  for (const model of ['esmm', 'mmoe']) {
    const specs = {
      esmm: '{ name: esmm, ctrTower: { hidden: [8], dropout: 0.3 }, cvrTower: { hidden: [8, 4], dropout: 0.2 } }',
      mmoe:
        '{ name: mmoe, wide: true, experts: { count: 3, hidden: [8], dropout: 0.2 }, tower: { hidden: [4], ' +
        'dropout: 0.1 } }',
    };
    writeFileSync(
      join(folder, `${model}.yaml`),
      `seed: 11
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121, 122], width: 4 }
  item: { type: categorical, fields: [205, 206], width: 4, encoding: { name: tokens, minCount: 2 } }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: ${specs[model as 'esmm' | 'mmoe']}
training: { epochs: 4, batchSize: 64, shuffleWindow: 200, monitor: ctcvr.auc, earlyStopping: { patience: 3 } }
checkpoints: { everySteps: 4, bestBy: [loss, cvr.auc] }
`,
    );
  }
}

/** Options and observers of a training in this process. */
export interface SmallRun extends Partial<TrainOptions> {
  readonly set?: readonly string[];
  readonly on?: Partial<TrainObserver>;
}

/** Trains a config of `smallWorld` in this process. */
export async function trainSmall(config: string, { set = [], on = {}, ...options }: SmallRun): Promise<TrainResult> {
  const loaded = await loadConfig(config, set.map(parseOverride));
  const ignore = (): undefined => undefined;
  return train(
    loaded,
    { device: 'cpu', threads: 1, overrides: set, signal: new AbortController().signal, ...options },
    { onWarning: ignore, onRead: ignore, onStart: ignore, onStep: ignore, onValidation: ignore, ...on },
  );
}

/** Returns a signal and an observer that aborts at step `count`. */
export function abortAtStep(count: number): { readonly signal: AbortSignal; readonly on: Partial<TrainObserver> } {
  const controller = new AbortController();
  let steps = 0;
  return {
    signal: controller.signal,
    on: {
      onStep: () => {
        if (++steps === count) controller.abort(new Error('enough'));
      },
    },
  };
}

/** Everything that two trainings of one config must have in common, byte for byte, without times. */
export function traceOf(run: string): Record<string, string> {
  const read = (path: string): string => readFileSync(join(run, path), 'latin1');
  const withoutTimes = (text: string): string => text.replace(/"elapsedMs":[\d.e+-]+,?/g, '');
  return {
    weights: read('checkpoints/last/weights.safetensors'),
    optimizer: read('checkpoints/last/optimizer.safetensors'),
    best: read('checkpoints/best/weights.safetensors'),
    bestByLoss: read('checkpoints/best-loss/weights.safetensors'),
    state: withoutTimes(read('checkpoints/last/state.json')).replace(/"metricsBytes":\d+/, ''),
    metrics: withoutTimes(read('metrics.jsonl')),
    results: read('results.csv'),
    scores: read('scores.json'),
  };
}
