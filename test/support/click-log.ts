import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';
import { trainSmall, type SmallRun } from './small-run.js';

// A log with the items that each user clicked before: ids, categories, prices and times, aligned item by item.

const [USERS, ITEMS, CATEGORIES, MAX_ITEMS] = [40, 60, 7, 9];

/** A row as strings. */
export type LogRow = Readonly<Record<string, string>>;

/** Generates rows; clicks are likely if the newest items have the category of the candidate. */
export function logRows(name: string, count: number): readonly LogRow[] {
  const random = randomStream(5, name);
  return Array.from({ length: count }, (_, r): LogRow => {
    const [user, item] = [random.below(USERS), random.below(ITEMS)];
    const history = Array.from({ length: r % 4 === 0 ? 0 : random.below(MAX_ITEMS) }, () => random.below(ITEMS));
    const time = 1_700_000_000 + 60 * r;
    const isMatch = history.slice(-3).some((each) => each % CATEGORIES === item % CATEGORIES);
    const click = Number(random.uniform() < (isMatch ? 0.7 : 0.2));
    return {
      user: `u${user}`,
      item: `i${item}`,
      cate: `c${item % CATEGORIES}`,
      price: `${(item % 9) + 0.5}`,
      hist_item: history.map((each) => `i${each}`).join('|'),
      hist_cate: history.map((each) => `c${each % CATEGORIES}`).join('|'),
      hist_price: history.map((each) => (each % 9) + 0.5).join('|'),
      hist_time: history.map((_, i) => time - 3600 * (history.length - i)).join('|'),
      time: String(time),
      click: String(click),
      buy: String(Number(click === 1 && random.uniform() < 0.3)),
    };
  });
}

/** The features of the log, with an encoder as YAML. */
export function logFeatures(encoder = 'target-attention'): string {
  return `
  ids: { type: categorical, fields: [user, item], width: 6, encoding: tokens }
  cate: { type: categorical, fields: [cate], width: 6, encoding: tokens }
  price: { type: numeric, fields: [price], scaling: log1p }
  clicks:
    type: sequence
    fields:
      - { name: hist_item, target: item }
      - { name: hist_cate, target: cate }
      - { name: hist_price, scaling: log1p }
      - { name: hist_time, as: age, until: time, buckets: log, width: 3 }
    keep: { last: 6 }
    encoder: ${encoder}
`;
}

/** Writes the log as train.csv, valid.csv and test.csv, and log.yaml, a config with a sequence. */
export function writeLog(folder: string, encoder?: string): string {
  for (const [name, count] of Object.entries({ train: 600, valid: 150, test: 90 })) {
    const rows = logRows(name, count);
    const lines = [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))].map((cells) => cells.join(','));
    writeFileSync(join(folder, `${name}.csv`), [...lines, ''].join('\n'));
  }
  const config = join(folder, 'log.yaml');
  writeFileSync(
    config,
    `seed: 3
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:${logFeatures(encoder)}
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: ctr }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 2, batchSize: 64 }
`,
  );
  return config;
}

/** Writes the log and trains its config. @returns the run directory */
export async function trainLog(folder: string, options: SmallRun = {}, encoder?: string): Promise<string> {
  const runDir = options.runDir ?? join(folder, 'run');
  await trainSmall(writeLog(folder, encoder), { ...options, runDir });
  return runDir;
}
