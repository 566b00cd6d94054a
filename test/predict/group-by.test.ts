/** @module-tag long */
import { mapsOf, withMaps } from '../support/batches.js';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Program } from '../../src/engines/engine.js';
import { train } from '../../src/index.js';
import { predict, type PredictOptions } from '../../src/predict.js';
import { GroupedPredictor, type RankingProgram } from '../../src/predict/grouped-rows.js';
import { prepare } from '../../src/prepare.js';
import { synth, synthHistories } from '../../src/synth.js';
import { scratchFolder } from '../support/scratch.js';
import { batchOf, INTERESTS, planWith } from '../support/sequences.js';

/** Maximum difference of predictions with and without groups. */
const TOLERANCE = 1e-6;

const root = join(import.meta.dirname, '..', '..');
let folder: string;
let grouped: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-group-by-'));
  await synthHistories({
    folder,
    seed: 5,
    rows: { train: 1500, valid: 200, test: 600 },
    users: 30,
    items: 60,
    rates: { click: 0.3, purchase: 0.3 },
  });
  // Impressions of users follow each other.
  const [header, ...lines] = readFileSync(join(folder, 'test.csv'), 'utf8').trimEnd().split('\n');
  const user = header!.split(',').indexOf('user');
  grouped = join(folder, 'grouped.csv');
  const sorted = lines.toSorted((a, b) => a.split(',')[user]!.localeCompare(b.split(',')[user]!));
  writeFileSync(grouped, `${[header, ...sorted].join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function trainOn(config: string, set: readonly string[] = []): Promise<string> {
  const run = join(scratchFolder(), 'run');
  const data = ['train', 'valid', 'test'].map((split) => `data.${split}=${join(folder, `${split}.csv`)}`);
  const all = [...data, 'training.epochs=1', `data.cache=${scratchFolder()}`, ...set];
  await train(config, { set: all, runDir: run, device: 'cpu', threads: 1 });
  return run;
}

type Rows = readonly Readonly<Record<string, string>>[];

async function predictRows(run: string, data: string, options: Partial<PredictOptions> = {}): Promise<Rows> {
  const out = join(scratchFolder(), 'out.csv');
  await predict({
    path: run,
    data,
    keep: [],
    prefix: '',
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...options,
    out,
  });
  return parse(readFileSync(out), { columns: true });
}

function expectSame(found: Rows, expected: Rows): void {
  expect(found.length).toBe(expected.length);
  for (const [row, values] of expected.entries()) {
    expect(Object.keys(found[row]!)).toEqual(Object.keys(values));
    for (const [name, value] of Object.entries(values))
      if (value === '' || Number.isNaN(Number(value))) expect(found[row]![name]).toBe(value);
      else expect(Math.abs(Number(found[row]![name]) - Number(value))).toBeLessThanOrEqual(TOLERANCE);
  }
}

describe('--group-by has the predictions, rows and columns of rows alone', () => {
  it.each(['din', 'bst', 'esmm-din'])('for configs/sequences/%s.yaml, in groups of any column', async (name) => {
    const run = await trainOn(join(root, 'configs', 'sequences', `${name}.yaml`));
    const expected = await predictRows(run, grouped, { keep: ['item', 'user'] });
    expect(new Set(expected.map((row) => Object.values(row).at(-1))).size).toBeGreaterThan(100);
    for (const groupBy of ['user', 'category', 'price'])
      expectSame(await predictRows(run, grouped, { keep: ['item', 'user'], groupBy }), expected);
    expectSame(await predictRows(run, grouped, { keep: ['item', 'user'], groupBy: 'user', threads: 2 }), expected);
  });

  it('for users whose rows are not consecutive, and with invalid rows', async () => {
    const run = await trainOn(join(root, 'configs', 'sequences', 'esmm-din.yaml'));
    const data = join(scratchFolder(), 'rows.csv');
    const [header, ...lines] = readFileSync(grouped, 'utf8').trimEnd().split('\n');
    const price = header!.split(',').indexOf('price');
    const broken = lines.map((line, row) =>
      row % 50 === 7 ? line.split(',').with(price, 'x').join(',') : row % 60 === 11 ? lines[0]! : line,
    );
    writeFileSync(data, `${[header, ...broken].join('\n')}\n`);
    const options = { keep: ['user'], onBadRow: 'skip' } as const;
    const expected = await predictRows(run, data, options);
    expect(expected.filter((row) => Object.values(row).at(-1) === '')).toHaveLength(12);
    expectSame(await predictRows(run, data, { ...options, groupBy: 'user' }), expected);
  });

  it('for shards', async () => {
    const base = scratchFolder();
    const raw = join(base, 'raw');
    await synth({
      folder: raw,
      seed: 9,
      users: 40,
      items: 80,
      rates: { click: 0.25, purchase: 0.2 },
      rows: { train: 1500, test: 600 },
      format: 'raw',
      bagMean: 6,
    });
    const out = join(base, 'shards');
    const signal = new AbortController().signal;
    await prepare({ raw, out, seed: 3, validShare: 0.2, maxBadRows: 0, threads: 1, signal }, () => undefined);
    const run = join(base, 'run');
    await train(join(out, 'config.yaml'), { set: ['training.epochs=1'], runDir: run, device: 'cpu', threads: 1 });
    const data = join(out, 'test');
    const expected = await predictRows(run, data, { keep: ['205'] });
    expectSame(await predictRows(run, data, { keep: ['205'], groupBy: '101' }), expected);
  });

  it('with a cursor', async () => {
    const run = await trainOn(join(root, 'configs', 'sequences', 'din.yaml'));
    const expected = await predictRows(run, grouped);
    const base = scratchFolder();
    const [data, cursor] = [join(base, 'rows.csv'), join(base, 'cursor.json')];
    const [header, ...lines] = readFileSync(grouped, 'utf8').trimEnd().split('\n');
    writeFileSync(data, `${[header, ...lines.slice(0, 250)].join('\n')}\n`);
    const first = await predictRows(run, data, { cursor, groupBy: 'user' });
    appendFileSync(data, `${lines.slice(250).join('\n')}\n`);
    expectSame([...first, ...(await predictRows(run, data, { cursor, groupBy: 'user' }))], expected);
  });

  it('rejects an unknown column', async () => {
    const run = await trainOn(join(root, 'configs', 'sequences', 'din.yaml'));
    await expect(predictRows(run, grouped, { groupBy: 'usr' })).rejects.toThrow(
      /column "usr".* is not in the data.*user/,
    );
  });
});

describe('a grouped predictor', () => {
  const KEYS = ['a', 'a', 'a', 'a', 'a', 'b', 'c', 'c', 'c', 'c', 'c', 'c'];

  /** Rows whose history and price are those of the first row of a group. */
  function groupedBatch(): Batch {
    const batch = batchOf(KEYS.length, 5);
    const { bags, numbers } = mapsOf(batch);
    const clicked = bags.get('clicked')!;
    const firsts = KEYS.map((key) => KEYS.indexOf(key));
    const itemsOf = (data: Float32Array | Uint32Array): number[] =>
      firsts.flatMap((row) => [...data.subarray(clicked.offsets[row], clicked.offsets[row + 1])]);
    const offsets = [0];
    for (const row of firsts) offsets.push(offsets.at(-1)! + clicked.offsets[row + 1]! - clicked.offsets[row]!);
    return withMaps(batch, {
      numbers: new Map([['price', Float32Array.from(firsts, (row) => numbers.get('price')![row]!)]]),
      bags: new Map([
        [
          'clicked',
          {
            offsets: Uint32Array.from(offsets),
            ids: Uint32Array.from(itemsOf(clicked.ids)),
            weights: Float32Array.from(itemsOf(clicked.weights)),
          },
        ],
      ]),
    });
  }

  it('computes fields once that are equal in each group, and reads others per row', async () => {
    const program = createCpuEngine(1).compile({ ...planWith(INTERESTS.din), isRanked: true });
    const created: string[][] = [];
    const watched: RankingProgram = {
      ...({} as Program),
      predict: (batch) => program.predict(batch),
      createRanker: (fields) => {
        created.push([...fields]);
        return program.createRanker!(fields);
      },
    };
    const predictor = new GroupedPredictor(watched, ['target', 'price', 'clicked']);
    const same = groupedBatch();
    const expectPredicted = async (batch: Batch): Promise<void> => {
      const expected = (await program.predict(batch)).get('p')!;
      const found = (await predictor.predict(batch, KEYS)).get('p')!;
      for (const [row, value] of expected.entries()) expect(Math.abs(found[row]! - value)).toBeLessThan(TOLERANCE);
    };
    await expectPredicted(same);
    await expectPredicted(withMaps(same, { numbers: mapsOf(batchOf(KEYS.length, 6)).numbers }));
    await expectPredicted(same);
    expect(created).toEqual([['target'], ['target', 'price']]);
    program.dispose();
  });
});
