import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';
import type { Row } from '../../src/index.js';
import { trainSmall, type SmallRun } from './small-run.js';

/** A shown item, which may be clicked. */
export interface Shown {
  readonly at: number;
  readonly user: string;
  readonly item: string;
  readonly price: number;
  readonly click: number;
}

export const BATCH_ROWS = 64;
/** Items of a row. */
export const SHOWN_LAST = 5;
/** Unix time of the first row. */
const START = 1_790_000_000;

/** Features that read the clicks of a user, and a checkpoint every few steps, most of them deltas. */
const CONFIG = `seed: 3
data:
  train: log
  follow: { fitRows: 5000, windowRows: 900 }
  sequences: { clicks: { of: click, key: user, time: at, until: at } }
features:
  ids: { type: categorical, fields: [item], width: 4, encoding: tokens }
  # A table of which a step changes few rows.
  met: { type: cross, fields: [[item, at]], width: 4, buckets: 4000 }
  history:
    type: sequence
    fields:
      - { name: clicks.item, target: item }
      - { name: clicks.price, scaling: standard }
      - { name: clicks.at, as: age, until: at, buckets: log, width: 4 }
    keep: { last: ${SHOWN_LAST} }
    encoder: target-attention
  recent: { type: sequence, fields: [{ name: clicks.item, target: item }], keep: { last: 2 }, encoder: pooling }
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [8] } }
training: { batchSize: ${BATCH_ROWS}, shuffle: false, epochs: 1 }
checkpoints: { everySteps: 20, delta: { everySteps: 3 }, keepLast: 100 }
`;

/** Draws rows in order of time, each at a time of its own. */
export function drawShown(count: number, seed = 5): readonly Shown[] {
  const random = randomStream(seed, 'clicks');
  return Array.from({ length: count }, (_, r) => {
    const [user, item] = [random.below(12), random.below(15)];
    return {
      at: START + 10 * r,
      user: user === 0 ? '' : `u${user}`,
      item: `i${item}`,
      price: random.below(40) / 4,
      click: Number(random.uniform() < (item % 3 === user % 3 ? 0.7 : 0.2)),
    };
  });
}

/** Finds the items of a row: the newest clicks of its user before it. */
function listClicks(earlier: readonly Shown[], { user, at }: Pick<Shown, 'user' | 'at'>): readonly Shown[] {
  if (user === '') return [];
  return earlier.filter((row) => row.click === 1 && row.user === user && row.at < at).slice(-SHOWN_LAST);
}

/** Returns a row with its items as lists, without its user. */
export function withClicks(earlier: readonly Shown[], row: Pick<Shown, 'user' | 'at' | 'item'>): Row {
  const own = listClicks(earlier, row);
  return {
    item: row.item,
    at: row.at,
    'clicks.item': own.map(({ item }) => item),
    'clicks.price': own.map(({ price }) => price),
    'clicks.at': own.map(({ at }) => at),
  };
}

/** Writes the config, and rows as the log; returns the config. */
export function writeClickedStream(folder: string, rows: readonly Shown[]): string {
  mkdirSync(join(folder, 'log'), { recursive: true });
  writeFileSync(join(folder, 'log', 'part-0.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const config = join(folder, 'clicked.yaml');
  writeFileSync(config, CONFIG);
  return config;
}

/** Trains on the stream in this process until its end. */
export function followClicks(config: string, runDir: string, options: SmallRun = {}): ReturnType<typeof trainSmall> {
  return trainSmall(config, { follow: true, untilEnd: true, runDir, ...options });
}
