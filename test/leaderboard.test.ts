/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream, type Random } from '../src/core/random.js';
import { prepare } from '../src/prepare.js';
import { readCheckpoint } from '../src/runs/checkpoint.js';
import type { TrainObserver } from '../src/training/observer.js';
import { synth } from '../src/synth.js';
import { csvText } from '../src/text/csv-text.js';
import { readShardRows } from './support/prepared.js';
import { trainSmall } from './support/small-run.js';
import { scratchFolder } from './support/scratch.js';

const FOLDER = join('configs', 'leaderboard');
const PAGE = readFileSync('docs/benchmarks/leaderboard.md', 'utf8');
const NUM_USERS = 20;
const NUM_ITEMS = 40;

type Row = Readonly<Record<string, string>>;

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
const row = (columns: readonly string[], cell: (column: string) => string): Row =>
  Object.fromEntries(columns.map((column) => [column, cell(column)]));
/** A click whose probability depends on a value. */
const clicks = (random: Random, value: number): string =>
  String(Number(random.uniform() < (value % 2 === 0 ? 0.7 : 0.2)));
const list = (random: Random, most: number, count: number): string =>
  Array.from({ length: random.below(most + 1) }, () => String(random.below(count))).join('^');

/** A data set with the columns and formats of the public files. */
interface Miniature {
  /** Whether it has a validation set. */
  readonly hasValid: boolean;
  readonly row: (random: Random) => Row;
  /** Suffix of the files that a config reads, after the commands of the page. */
  readonly suffix?: string;
  /** Writes other files, and returns the overrides for them. */
  readonly writeMore?: (folder: string) => readonly string[];
}

const MINIATURES: Readonly<Record<string, Miniature>> = {
  'criteo-x1': {
    hasValid: true,
    row: (random) => {
      const first = random.below(9);
      return {
        label: clicks(random, first),
        ...row(names('I', 13), () => (random.below(4) === 0 ? '0.0' : random.uniform().toFixed(8))),
        ...row(names('C', 26), (column) => `${column === 'C1' ? first : random.below(NUM_ITEMS)}.0`),
      };
    },
  },
  'avazu-x1': {
    hasValid: true,
    row: (random) => {
      const first = random.below(9);
      const cells = row(names('feat_', 22), (column) => String(column === 'feat_1' ? first : random.below(NUM_ITEMS)));
      return { label: clicks(random, first), ...cells };
    },
  },
  'kuaivideo-x1': {
    hasValid: false,
    suffix: '-visual',
    writeMore: writeVisuals,
    row: (random) => {
      const item = random.below(NUM_ITEMS);
      return {
        timestamp: String(random.below(1_000_000)),
        user_id: String(random.below(NUM_USERS)),
        item_id: String(item),
        is_click: clicks(random, item),
        is_like: '0',
        is_follow: '0',
        pos_items: list(random, 120, NUM_ITEMS),
        neg_items: list(random, 120, NUM_ITEMS),
      };
    },
  },
  'taobaoad-x1': {
    hasValid: false,
    row: (random) => {
      const brand = random.below(NUM_ITEMS);
      const user = 'userid cms_segid cms_group_id final_gender_code age_level pvalue_level shopping_level occupation';
      const ad = 'new_user_class_level adgroup_id cate_id campaign_id customer pid btag';
      return {
        clk: clicks(random, brand),
        btag_his: list(random, 50, 4),
        cate_his: list(random, 50, NUM_ITEMS),
        brand_his: list(random, 50, NUM_ITEMS),
        // As in the file, some levels are missing.
        ...row(user.split(' '), (column) =>
          column === 'pvalue_level' && random.below(2) === 0 ? '' : String(random.below(NUM_USERS)),
        ),
        ...row(ad.split(' '), () => String(random.below(NUM_ITEMS))),
        brand: String(brand),
        price: (1000 * random.uniform()).toFixed(2),
      };
    },
  },
};

/**
 * Weights outside the tables: the number of parameters in the logs of the runs that the headers name, without the
 * embeddings of all ids there (with or without a row for padding) and of numbers, and the matrices of videos.
 */
const PUBLISHED_WEIGHTS = {
  'criteo-x1': 22_018_021 - 10 * (2_086_329 - 26 + 13),
  'criteo-x1-finalnet': 21_658_582 - 10 * (2_086_329 + 13),
  'avazu-x1': 13_180_691 - 10 * (1_298_621 - 22),
  'avazu-x1-finalnet': 14_163_518 - 10 * 1_298_621,
  'kuaivideo-x1': 42_648_897 - 64 * (632_406 + 10_002) - 3 * 64 * 64,
};

/** The data set of a config. */
const miniatureOf = (name: string): Miniature => MINIATURES[name.replace('-finalnet', '')]!;
const CONFIGS = readdirSync(FOLDER).map((file) => file.replace('.yaml', ''));

/** Writes a visual embedding per video, as the page's script does. Its first element is the video's share of clicks. */
function writeVisuals(folder: string): readonly string[] {
  const ids = Array.from({ length: NUM_ITEMS }, (_, i) => NUM_ITEMS - 1 - i);
  const vectors = ids.flatMap((id) => [id % 2 === 0 ? 1 : -1, ...Array.from({ length: 63 }, (_, i) => (id * i) % 3)]);
  writeFileSync(join(folder, 'item_visual.npy'), npy(vectors, 64));
  writeFileSync(join(folder, 'item_visual.txt'), `${ids.join('\n')}\n`);
  return [
    `features.visuals.initFrom.file=${join(folder, 'item_visual.npy')}`,
    `features.visuals.initFrom.keys=${join(folder, 'item_visual.txt')}`,
  ];
}

/** A matrix of float32 in NumPy's format, version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
function npy(values: readonly number[], width: number): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${values.length / width}, ${width}), }`;
  const text = `${header.padEnd(117)}\n`;
  const length = Buffer.from(Uint16Array.of(text.length).buffer);
  const data = Buffer.from(Float32Array.from(values).buffer);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(text, 'latin1'), data]);
}

/** Writes the public files of a data set, and runs the commands of the page. Returns the overrides for all files. */
function writeFiles(folder: string, name: string): readonly string[] {
  const { hasValid, row, suffix = '', writeMore } = miniatureOf(name);
  const random = randomStream(1, name.replace('-finalnet', ''));
  const counts = { train: 1600, ...(hasValid && { valid: 400 }), test: 400 };
  for (const [split, count] of Object.entries(counts)) {
    const rows = Array.from({ length: count }, () => row(random));
    writeFileSync(
      join(folder, `${split}.csv`),
      csvText([Object.keys(rows[0]!), ...rows.map((each) => Object.values(each))]),
    );
  }
  const [split, copies] = [/```sh\n(awk [^]*?)\n```/, /```sh\n(for f in [^]*?)\n```/].map(
    (code) => code.exec(PAGE)![1]!,
  );
  if (!hasValid) execFileSync('sh', ['-c', split!], { cwd: folder });
  if (suffix !== '') execFileSync('sh', ['-c', copies!], { cwd: folder });
  const train = hasValid ? 'train' : 'fit';
  return [
    ...Object.entries({ train, valid: 'valid', test: 'test' }).map(
      ([key, file]) => `data.${key}=${join(folder, `${file}${suffix}.csv`)}`,
    ),
    ...(writeMore?.(folder) ?? []),
  ];
}

describe('a config of a public leaderboard', () => {
  it('has a miniature and a row on the page', () => {
    expect(new Set(CONFIGS.map(miniatureOf))).toEqual(new Set(Object.values(MINIATURES)));
    for (const name of CONFIGS) expect(PAGE).toContain(`\`${FOLDER}/${name}.yaml\``);
  });

  it.each(CONFIGS)('%s learns from files of the public shape', async (name) => {
    const folder = scratchFolder();
    const files = writeFiles(folder, name);
    const { metrics } = await trainSmall(join(FOLDER, `${name}.yaml`), {
      runDir: join(folder, 'run'),
      set: ['training.epochs=6', 'training.batchSize=128', `data.cache=${join(folder, 'cache')}`, ...files],
    });
    const { rows, auc } = metrics['test']!['click']!;
    expect(rows).toBe(400);
    // One column decides the clicks: its true probabilities have an AUC of about .75.
    expect(auc).toBeGreaterThan(0.6);
    expect(metrics['valid']!['click']!.rows).toBe(miniatureOf(name).hasValid ? 400 : 100);
  });

  it('reads the visual embeddings of videos, which stay as they are', async () => {
    const folder = scratchFolder();
    const files = writeFiles(folder, 'kuaivideo-x1');
    const set = ['training.epochs=1', `data.cache=${join(folder, 'cache')}`, ...files];
    await trainSmall(join(FOLDER, 'kuaivideo-x1.yaml'), { runDir: join(folder, 'run'), set });
    const { program } = await readCheckpoint(join(folder, 'run', 'checkpoints', 'last'), { withOptimizer: true });
    const tables = [...program.weights].filter(([name]) => name.includes('item_visual'));
    expect(tables).toHaveLength(1);
    const [, table] = tables[0]!;
    expect(table.shape).toEqual([NUM_ITEMS, 64]);
    // Row 0 is that of unknown videos.
    for (let id = 1; id < NUM_ITEMS; id++) {
      const row = Array.from(table.data.subarray(64 * id, 64 * id + 3));
      expect(row).toEqual([id % 2 === 0 ? 1 : -1, 0, id % 3]);
    }
    expect([...program.optimizer.keys()].filter((name) => name.includes('item_visual'))).toEqual([]);
  });

  it('of Ali-CCP is that of mtl prepare, with the outputs of the table', async () => {
    const folder = scratchFolder();
    const [raw, out] = [join(folder, 'raw'), join(folder, 'ali-ccp')];
    const rates = { click: 0.25, purchase: 0.25 };
    const world = { seed: 9, users: 150, items: 300, rates, rows: { train: 6000, test: 2000 }, bagMean: 6 };
    await synth({ folder: raw, ...world, format: 'raw' });
    const signal = new AbortController().signal;
    await prepare({ raw, out, seed: 3, validShare: 0.1, maxBadRows: 0, threads: 1, signal }, () => undefined);
    const config = join(out, 'config.yaml');
    const set = ['training.batchSize=128', `data.cache=${join(folder, 'cache')}`];
    const { model, metrics } = await trainSmall(config, { runDir: join(folder, 'run'), set });
    expect(model).toBe('esmm');
    const { ctr, cvr, ctcvr } = metrics['test']!;
    const rows = await readShardRows(join(out, 'test'));
    expect(ctr!.rows).toBe(rows.length);
    expect(ctcvr!.rows).toBe(rows.length);
    // The masked cvr: purchases of clicked rows alone.
    expect(cvr!.rows).toBe(rows.filter(({ click }) => click === 1).length);
    for (const { auc } of [ctr!, cvr!, ctcvr!]) expect(auc).toBeGreaterThan(0.55);
  });

  it.each(Object.entries(PUBLISHED_WEIGHTS))('%s has the layers of the public run', async (name, weights) => {
    const folder = scratchFolder();
    const set = ['training.epochs=1', `data.cache=${join(folder, 'cache')}`, ...writeFiles(folder, name)];
    let numWeights = 0;
    const on: Partial<TrainObserver> = { onStart: (start) => (numWeights = start.numWeights) };
    await trainSmall(join(FOLDER, `${name}.yaml`), { runDir: join(folder, 'run'), set, on });
    expect(numWeights).toBe(weights);
  });

  it('makes its claims in its header', () => {
    for (const name of CONFIGS) {
      const [header] = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8').split('\n\n');
      for (const claim of ['paper', 'data', 'score', 'cost'])
        expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
      expect(header).toContain(`npx mtl train configs/leaderboard/${name}.yaml`);
    }
  });
});
