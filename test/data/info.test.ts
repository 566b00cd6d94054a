import { describe, expect, it } from 'vitest';
import { dataOptions } from '../../src/data/options.js';
import { describeData } from '../../src/data/info/describe-data.js';
import { computeDrift } from '../../src/data/info/drift.js';
import { computeRateAuc } from '../../src/data/info/leak.js';
import { Tally } from '../../src/data/info/tally.js';
import { createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { randomStream } from '../../src/core/random.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const format = createRowFormat({
  tasks: [
    { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
    { name: 'cvr', ...taskOptions.parse({ label: 'pay', given: 'click' }) },
  ],
  groups: [
    { type: 'categorical', fields: ['user', 'receipt', 'day'], encoding: { name: 'tokens' } },
    { type: 'numeric', fields: ['price'] },
    { type: 'bag', fields: ['seen'], encoding: { name: 'tokens' } },
  ].map((group) => featureTypes.schema.parse(group)),
});

/** Creates a log: users are unrelated to labels, the receipt is written after a payment, and days drift. */
function log(): string {
  const random = randomStream(7, 'log');
  const rows = Array.from({ length: 3000 }, (_, i) => {
    const click = random.uint32() % 4 === 0 ? 1 : 0;
    const pay = click === 1 && random.uint32() % 5 === 0 ? 1 : 0;
    const day = Math.floor(i / 1000);
    return (
      `${click},${pay},u${random.uint32() % 40},${pay === 1 ? 'yes' : 'no'},d${day},${i % 2 === 0 ? i % 100 : 5},` +
      `${i % 10 === 0 ? '' : 'a|b'},2026-11-0${day + 1}\n`
    );
  });
  return (
    `click,pay,user,receipt,day,price,seen,ds\n${rows.join('')}1,0,u1,no,d0,dear,a,2026-11-01\n` +
    '0,0,u1,no,d0,1,a,2026-12-24\n'
  );
}

describe('data description', () => {
  it('has rows, rates, missing values, unknown ids, drift and leaks by split', async () => {
    const source = scratchFile('log.csv', log());
    const split = {
      by: 'date',
      column: 'ds',
      valid: { from: '2026-11-02', to: '2026-11-02' },
      test: { from: '2026-11-03', to: '2026-11-03' },
    };
    const { splits, fields, warnings } = await describeData(dataOptions.parse({ source, split }), format, {
      cache: { folder: scratchFolder() },
    });
    expect(splits.map(({ split: name, rows, badRows }) => [name, rows, badRows])).toEqual([
      ['train', 1000, 1],
      ['valid', 1000, 0],
      ['test', 1000, 0],
    ]);
    expect(splits[0]!.leftOut).toEqual({ 'in another part of the split': 2000, 'in no part of the split': 1 });
    for (const { tasks } of splits) {
      expect(Math.abs(tasks['ctr']!.mean - 0.25)).toBeLessThan(0.05);
      expect(tasks['ctr']!.rows).toBe(1000);
      expect(tasks['cvr']!.rows).toBe(Math.round(tasks['ctr']!.mean * 1000));
    }
    const field = (name: string) => fields.find((each) => each.name === name)!;
    expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
      ['user', 'id'],
      ['receipt', 'id'],
      ['day', 'id'],
      ['price', 'number'],
      ['seen', 'bag'],
    ]);
    expect(field('user').values).toBe(40);
    expect(field('user').unknown).toEqual({ train: 0, valid: 0, test: 0 });
    expect(field('day').unknown).toEqual({ train: 0, valid: 1, test: 1 });
    expect(field('seen').blanks).toEqual({ train: 0.1, valid: 0.1, test: 0.1 });
    expect(field('user').drift.valid!).toBeLessThan(0.1);
    expect(field('day').drift.valid!).toBeGreaterThan(5);
    expect(field('receipt').auc).toEqual({ ctr: expect.any(Number) as number, cvr: 1 });
    expect(Math.abs(field('user').auc['ctr']! - 0.5)).toBeLessThan(0.1);
    expect(warnings.filter((line) => line.includes("'user'") || line.includes("'seen'"))).toEqual([]);
    expect(warnings).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/log\.csv:3002: column "price": invalid row: expected a decimal number/),
        expect.stringMatching(/^field 'receipt' alone predicts cvr with an AUC of 1\.0000/),
        expect.stringMatching(
          /^field 'day' drifts from the training set: population stability index .* on valid, .* on test/,
        ),
        expect.stringMatching(/^field 'day': an out-of-vocabulary share of 1\.00 on valid, 1\.00 on test;/),
        expect.stringMatching(/^field 'day' has a single value in the training set; remove it/),
      ]),
    );
  });
});

describe('date parts in the data description', () => {
  const twoDigits = (number: number): string => String(number).padStart(2, '0');
  const dated = (days: readonly number[], hourOf: (i: number) => number): string => {
    const rows = days.flatMap((day) =>
      Array.from(
        { length: 480 },
        (_, i) => `${i % 7 === 0 ? 1 : 0},2026-11-${twoDigits(day)}T${twoDigits(hourOf(i))}:00:00\n`,
      ),
    );
    return `click,at\n${rows.join('')}`;
  };
  const ofDates = createRowFormat({
    tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
    groups: [featureTypes.schema.parse({ type: 'date', fields: ['at'], parts: ['hour', 'weekday', 'day'] })],
  });
  const describeDays = async (train: string, valid: string) => {
    const data = dataOptions.parse({ train: scratchFile('train.csv', train), valid: scratchFile('valid.csv', valid) });
    return describeData(data, ofDates, { cache: { folder: scratchFolder() } });
  };

  it('have no drift for a split too short to contain all values', async () => {
    const { fields, warnings } = await describeDays(
      dated([1, 2, 3, 4, 5, 6, 7, 8], (i) => i % 24),
      dated([9], (i) => i % 24),
    );
    expect(warnings).toEqual([]);
    expect(fields.map(({ name, drift }) => [name, drift.valid === undefined])).toEqual([
      ['at_hour', false],
      ['at_weekday', true],
      ['at_day', true],
    ]);
    expect(fields[0]!.drift.valid!).toBeLessThan(0.01);
  });

  it('have drift for a split with another distribution of all values', async () => {
    const { warnings } = await describeDays(
      dated([1, 2, 3], (i) => i % 24),
      dated([4], (i) => (i < 24 ? i : 23)),
    );
    expect(warnings).toEqual([
      expect.stringMatching(/^field 'at_hour' drifts from the training set: population stability index .* on valid/),
    ]);
  });
});

describe('number of values in the data description', () => {
  const ofNumbers = createRowFormat({
    tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
    groups: [featureTypes.schema.parse({ type: 'numeric', fields: ['price', 'share', 'one'], scaling: 'standard' })],
  });
  it('is exact up to 10,000', async () => {
    const rows = Array.from(
      { length: 12_000 },
      (_, i) => `${i % 3 === 0 ? 1 : 0},${(1 + (i % 2301) / 100).toFixed(2)},${i / 12_000},1\n`,
    );
    const path = scratchFile('prices.csv', `click,price,share,one\n${rows.join('')}`);
    const { fields, warnings } = await describeData(dataOptions.parse({ train: path }), ofNumbers, {
      cache: { folder: scratchFolder() },
    });
    expect(fields.map(({ name, values, hasMoreValues }) => [name, values, hasMoreValues])).toEqual([
      ['price', 2301, undefined],
      ['share', 10_000, true],
      ['one', 1, undefined],
    ]);
    expect(warnings).toEqual([expect.stringMatching(/^field 'one' has a single value in the training set; remove it/)]);
  });
});

describe('missing values in the data description', () => {
  it('are counted like in training, with null values and trimming', async () => {
    const spec = {
      tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
      cells: { nullValues: ['?'], trim: true },
      groups: [
        { type: 'categorical', fields: ['city', { name: 'plan', fillMissing: 'token' }], encoding: { name: 'tokens' } },
        { type: 'numeric', fields: ['price'], fillMissing: 'mean', nullValues: [-1] },
        { type: 'bag', fields: ['seen'], encoding: { name: 'tokens' } },
      ].map((group) => featureTypes.schema.parse(group)),
    };
    const source = scratchFile(
      'log.csv',
      'click;city;plan;price;seen\n1;Bonn;?;2;[]\n0; ?;a;-1.0;b\n1; ;b;;\n0;Ulm;?; 3;a\n',
    );
    const { fields } = await describeData(dataOptions.parse({ train: source, valid: source }), createRowFormat(spec), {
      cache: { folder: scratchFolder() },
    });
    expect(fields.map(({ name, blanks }) => [name, blanks.train])).toEqual([
      ['city', 0.5],
      ['plan', 0.5],
      ['price', 0.5],
      ['seen', 0.5],
    ]);
  });
});

describe('constant label in the training set', () => {
  it('is reported, but not one in the validation set only', async () => {
    const of = createRowFormat({
      tasks: [
        ['none', 'ja'],
        ['some', 'yes'],
      ].map(([name, equals]) => ({ name: name!, ...taskOptions.parse({ label: { column: 'click', equals } }) })),
      groups: [featureTypes.schema.parse({ type: 'categorical', fields: ['user'] })],
    });
    const rows = (clicks: readonly string[]): string =>
      scratchFile('log.csv', `user,click\n${clicks.map((click, i) => `${i % 3},${click}\n`).join('')}`);
    const { warnings } = await describeData(
      dataOptions.parse({ train: rows(['yes', 'no', 'yes', 'no', 'no', 'no']), valid: rows(['no', 'no', 'no']) }),
      of,
      { cache: { folder: scratchFolder() } },
    );
    expect(warnings).toEqual([
      expect.stringMatching(
        /^task 'none': its label is 0 in every row of the training set, .*check the label column and its condition$/,
      ),
    ]);
  });
});

describe('vector statistics in the data description', () => {
  it('include length, mean, norm, missing values and drift by split', async () => {
    const random = randomStream(5, 'vectors');
    const unit = (): number => random.uint32() / 2 ** 32;
    const line = (turn: number, click: number): string => {
      const angle = turn + unit() / 4;
      return `${click},${unit() < 0.1 ? '' : `${3 * Math.cos(angle)}|${3 * Math.sin(angle)}`}\n`;
    };
    const file = (turn: number): string =>
      scratchFile('log.csv', `click,look\n${Array.from({ length: 2000 }, (_, i) => line(turn, i % 2)).join('')}`);
    const of = createRowFormat({
      tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
      groups: [featureTypes.schema.parse({ type: 'vector', fields: ['look'], fillMissing: 'mean', indicator: true })],
    });
    const { fields, warnings } = await describeData(
      dataOptions.parse({ train: file(0), valid: file(0), test: file(1.5) }),
      of,
      { cache: { folder: scratchFolder() } },
    );
    const [{ kind, vectors, blanks, drift }] = fields as [(typeof fields)[number]];
    expect([kind, vectors!.length]).toEqual(['vector', 2]);
    for (const split of ['train', 'valid', 'test'] as const) {
      expect(Math.abs(vectors!.norm[split]! - 3)).toBeLessThan(0.05);
      expect(Math.abs(blanks[split]! - 0.1)).toBeLessThan(0.03);
    }
    expect(vectors!.mean.train).toBeCloseTo((3 * (Math.sin(0.25) + 1 - Math.cos(0.25))) / 0.5, 1);
    expect(drift.valid!).toBeLessThan(0.1);
    expect(drift.test!).toBeGreaterThan(1);
    expect(warnings).toEqual([
      expect.stringMatching(/^field 'look' drifts from the training set: population stability index .* on test/),
    ]);
  });
});

describe('drift', () => {
  it('is the population stability index: 0 for equal shares, growing with the difference', () => {
    const tallyOf = (counts: readonly number[]) => {
      const tally = new Tally();
      for (const [key, count] of counts.entries()) for (let i = 0; i < count; i++) tally.add(key);
      return tally;
    };
    const train = tallyOf([500_000, 300_000, 200_000]);
    expect(computeDrift(train, train)).toBe(0);
    const shifted = computeDrift(train, tallyOf([300_000, 300_000, 400_000]))!;
    expect(shifted).toBeCloseTo((0.5 - 0.3) * Math.log(0.5 / 0.3) + (0.2 - 0.4) * Math.log(0.2 / 0.4), 5);
    expect(computeDrift(train, tallyOf([300_000, 300_000, 390_000, 10_000]))!).toBeGreaterThan(shifted);
    expect(computeDrift(train, new Tally())).toBeUndefined();
  });

  it('is small between samples of one population, even with many values in few rows', () => {
    const random = randomStream(5, 'samples');
    const sample = (rows: number) => {
      const tally = new Tally();
      for (let i = 0; i < rows; i++) tally.add(random.below(200));
      return tally;
    };
    for (const rows of [300, 1000, 4000]) expect(computeDrift(sample(2400), sample(rows))!).toBeLessThan(0.1);
  });
});

describe('drift of new values', () => {
  // Most values of either sample are not in the other one.
  const zipf = (rows: number, random: ReturnType<typeof randomStream>, first = 0) => {
    const tally = new Tally();
    for (let i = 0; i < rows; i++) tally.add(first + Math.floor(1e7 ** random.uniform()));
    return tally;
  };

  it('is small between samples of one population with millions of values', () => {
    const random = randomStream(6, 'values');
    for (const rows of [2000, 20_000, 100_000]) {
      const [train, other] = [zipf(20_000, random), zipf(rows, random)];
      const numNew = other.keys.filter((key) => train.count(key) === 0).length;
      expect(numNew).toBeGreaterThan(other.keys.length / 3);
      expect(computeDrift(train, other)!).toBeLessThan(0.1);
    }
  });

  it('is large if more values are new than by chance', () => {
    const random = randomStream(7, 'values');
    expect(computeDrift(zipf(20_000, random), zipf(20_000, random, 1e7))!).toBeGreaterThan(1);
  });
});

describe('single-field AUC', () => {
  it('is the AUC of the label rates by value', () => {
    const random = randomStream(3, 'rates');
    const [train, other] = [new Tally(2), new Tally(2)];
    const rates = new Map<number, [number, number]>();
    const rows: (readonly [number, number])[] = [];
    for (let i = 0; i < 4000; i++) {
      const key = random.uint32() % 30;
      const label = random.uint32() % 100 < 3 * key ? 1 : 0;
      if (i % 2 === 0) {
        train.add(key, [1, label]);
        const [n, p] = rates.get(key) ?? [0, 0];
        rates.set(key, [n + 1, p + label]);
      } else {
        other.add(key, [1, label]);
        rows.push([key, label]);
      }
    }
    const all = [...rates.values()].reduce(([n, p], [m, q]) => [n + m, p + q] as [number, number], [0, 0]);
    const scoreOf = (key: number): number => (rates.get(key)![1] + 10 * (all[1] / all[0])) / (rates.get(key)![0] + 10);
    const expected = aucOf(
      rows.map(([, label]) => label),
      rows.map(([key]) => scoreOf(key)),
    );
    expect(computeRateAuc(train, other)).toBeCloseTo(expected, 10);
    expect(computeRateAuc(train, new Tally(2))).toBeUndefined();
  });
});

/** Computes the share of ordered pairs of a 1 and a 0; ties count half. */
function aucOf(labels: readonly number[], scores: readonly number[]): number {
  let [sum, pairs] = [0, 0];
  for (const [i, label] of labels.entries()) {
    if (label !== 1) continue;
    for (const [j, other] of labels.entries()) {
      if (other !== 0) continue;
      pairs++;
      sum += scores[i]! > scores[j]! ? 1 : scores[i] === scores[j] ? 0.5 : 0;
    }
  }
  return sum / pairs;
}
