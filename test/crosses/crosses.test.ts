/** @module-tag long */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { findCrosses } from '../../src/crosses.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';

/**
 * Rows with clicks that depend on each column alone, and on color and shape together. `twin` is nearly equal to the
 * color and correlates with it; `user` is so rare that any pair with it fits noise; `price` is numeric, and `size`
 * together with `day` affects the amount.
 */
function csv(rows: number, isPlanted: boolean): string {
  const random = randomStream(5, 'crosses');
  const effect = Array.from({ length: 8 }, () => random.normal());
  const together = Array.from({ length: 48 }, () => 1.2 * random.normal());
  const lines = Array.from({ length: rows }, () => {
    const [color, shape, size, day, user] = [
      random.below(8),
      random.below(6),
      random.below(5),
      random.below(7),
      random.below(rows / 3),
    ];
    const twin = random.uniform() < 0.9 ? color : random.below(8);
    const price = random.uniform();
    const logit =
      -1.5 +
      0.5 * effect[color]! +
      0.6 * effect[shape]! +
      0.4 * effect[size]! +
      0.4 * effect[user % 8]! +
      price +
      (isPlanted ? together[color * 6 + shape]! : 0);
    const click = Number(random.uniform() < 1 / (1 + Math.exp(-logit)));
    const amount = size + day + (isPlanted && size === 2 && day > 3 ? 4 : 0) + random.normal();
    return [click, amount.toFixed(3), `c${color}`, shape + 1, size, `d${day}`, user, `t${twin}`, price.toFixed(4)].join(
      ',',
    );
  });
  return ['click,amount,color,101,size,day,user,twin,price', ...lines, ''].join('\n');
}

const CONFIG = `
data: { train: train.csv }
features:
  words: { type: categorical, fields: [color, day, twin], encoding: tokens }
  ids: { type: categorical, fields: [101, user] }
  numbers: { type: numeric, fields: [size, price] }
tasks:
  ctr: { label: click }
  spend: { label: amount, type: regression }
model: { name: mmoe }
`;

async function found(
  rows: number,
  isPlanted: boolean,
  options: { readonly task?: string; readonly config?: string } = {},
) {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'train.csv'), csv(rows, isPlanted));
  const experiment = parseConfig(
    (options.config ?? CONFIG).replace('train: train.csv', `train: train.csv, cache: ${join(folder, 'cache')}`),
    join(folder, 'my.yaml'),
  );
  return findCrosses({
    experiment,
    task: options.task,
    top: 5,
    rows: 1_000_000,
    seed: 1,
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
}

describe('findCrosses', () => {
  it('finds the interacting pair first, but no correlated or rare pairs, and prints it as a feature', async () => {
    const result = await found(30_000, true);
    expect(result).toMatchObject({ task: 'ctr', rows: 30_000, totalRows: 30_000, pairs: 15 });
    expect(result.crosses.map(({ columns }) => columns)).toEqual([['color', '101']]);
    expect(result.crosses[0]!.zScore).toBeGreaterThan(20);
    expect(result.crosses[0]!.combinations).toBe(48);
    expect(result.yaml).toBe(
      'features:\n  crosses:\n    type: cross\n    fields: [[color, 101]]\n' +
        '    encoding: { name: tokens, minCount: 5 }\n    width: 8\n',
    );
    // The printed group is valid, and an existing cross is not found again.
    const again = await found(30_000, true, {
      config: CONFIG.replace('  numbers:', `${result.yaml.replace('features:\n', '')}  numbers:`),
    });
    expect(again.crosses).toEqual([]);
    expect(result.loss - again.loss).toBeGreaterThan(0.5 * result.crosses[0]!.logLossGain);
  });

  it('finds no cross between independent columns', async () => {
    expect((await found(30_000, false)).crosses).toEqual([]);
    expect((await found(30_000, false)).yaml).toBe('');
  });

  it('also tests numbers, binned or not', async () => {
    const { crosses } = await found(10_000, true, { task: 'spend' });
    expect(crosses.map(({ columns }) => [...columns].sort())).toEqual([['day', 'size']]);
  });

  it('rejects an unknown task and a constant label', async () => {
    await expect(found(20, true, { task: 'crt' })).rejects.toThrow(/ctr, spend, found "crt"; did you mean 'ctr'/);
    await expect(
      found(20, true, { config: CONFIG.replace('{ label: click }', '{ label: { column: click, above: 5 } }') }),
    ).rejects.toThrow(/the label is 0 in all 20 sampled rows/);
  });
});
