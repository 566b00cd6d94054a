/** @module-tag long */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIdCounts, readLabelCounts } from '../../src/data/shards/counts.js';
import { readManifest } from '../../src/data/shards/manifest.js';
import { prepare, type PrepareOptions } from '../../src/prepare.js';
import { BAG_FIELDS, FIELDS } from '../../src/prepare/fields.js';
import type { Summary } from '../../src/prepare/summary.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { synth } from '../../src/synth.js';
import { BIN, mtl } from '../support/mtl.js';
import { readShardRows, type PreparedRow } from '../support/prepared.js';
import { readCommonRows, readSkeletonRows, type RawRow } from '../support/raw-rows.js';
import { trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

const NUMBERS = ['508', '509', '702'];
/** The candidate's field with the raw ids of a history. */
const TARGETS: Readonly<Record<string, string>> = {
  '109_14': '206',
  '110_14': '207',
  '127_14': '216',
  '150_14': '210',
};
const CAPS = { rest: 8, byField: { '110_14': 20, '210': 1 } };
const MIN_COUNTS = { rest: 10, byField: { '205': 30, '122': 1 } };

/** Writes raw data with a few thousand rows, several chunks per file. */
let raw: string;
beforeAll(async () => {
  raw = mkdtempSync(join(tmpdir(), 'mtl-raw-'));
  await synth({
    folder: raw,
    seed: 9,
    users: 150,
    items: 300,
    rates: { click: 0.25, purchase: 0.2 },
    rows: { train: 5000, test: 2000 },
    format: 'raw',
    bagMean: 25,
    badEvery: 450,
  });
});

afterAll(() => rmSync(raw, { recursive: true, force: true }));

const never = new AbortController().signal;
const optionsFor = (out: string, more: Partial<PrepareOptions> = {}): PrepareOptions => ({
  raw,
  out,
  seed: 3,
  validShare: 0.2,
  minCounts: MIN_COUNTS,
  caps: CAPS,
  maxBadRows: 100,
  threads: 2,
  signal: never,
  chunkBytes: 60_000,
  ...more,
});
const run = (out: string, more?: Partial<PrepareOptions>): Promise<Summary> =>
  prepare(optionsFor(out, more), () => undefined);

/** Reads all files of a directory for a bytewise comparison. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(folder, file)).isFile(),
  );
  return Object.fromEntries(files.sort().map((file) => [file, readFileSync(join(folder, file)).toString('base64')]));
}

type Values = readonly (readonly [number, number])[];
interface JoinedRow {
  readonly row: RawRow;
  readonly values: (field: string) => Values;
}

/**
 * Computes the expected rows with raw ids: joined, in skeleton order, items by descending weight, limited in number.
 */
function reference(split: string): JoinedRow[] {
  const common = readCommonRows(raw, split);
  const size = (features: RawRow['features']): number =>
    [...features.values()].reduce((sum, values) => sum + values.length, 0);
  return readSkeletonRows(raw, split)
    .filter(
      ({ told, features, session, click, purchase }) =>
        told === size(features) && common.has(session) && !(purchase === 1 && click === 0),
    )
    .map((row) => ({
      row,
      values: (field) => {
        const all = row.features.get(field) ?? common.get(row.session)!.get(field) ?? [];
        const cap = BAG_FIELDS.has(field) ? ((CAPS.byField as Record<string, number>)[field] ?? CAPS.rest) : 1;
        return all
          .map(([id, weight]) => [id, Math.fround(weight)] as const)
          .sort(([a, x], [b, y]) => y - x || a - b)
          .slice(0, cap);
      },
    }));
}

/** Trains on the tastes of users, with fields of the candidate. */
const tastesConfig = (fields: string): string => `
data: { train: train, valid: valid }
features:
  candidate: { type: categorical, fields: [206, 207, 216], width: 4 }
  intentions: { type: bag, fields: [210], width: 4 }
  tastes:
    type: sequence
    aligned: false
    fields: ${fields}
    keep: { heaviest: 100 }
    encoder: ${fields.includes('target') ? 'target-attention' : 'pooling'}
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [8] } }
training: { epochs: 1, batchSize: 512 }
`;

describe('mtl prepare ali-ccp', () => {
  it('writes exactly the generated rows, labels, ids, weights and numbers', async () => {
    const out = join(scratchFolder(), 'out');
    const summary = await run(out);
    const splits = {
      train: await readShardRows(join(out, 'train')),
      valid: await readShardRows(join(out, 'valid')),
      test: await readShardRows(join(out, 'test')),
    };
    const rawIds = await readSafetensors(join(out, 'vocabulary.safetensors'));
    const vocabulary = new Map([...rawIds].map(([field, { data }]) => [field, [...data]]));

    // Each row of the skeleton is the next row of train or of valid, and all rows of a session are in the same split.
    const splitOf = new Map<string, 'train' | 'valid'>();
    const next = { train: 0, valid: 0, test: 0 };
    const placed: { split: 'train' | 'valid' | 'test'; joined: JoinedRow; row: PreparedRow }[] = [];
    const decoded = (field: string, id: number): number => vocabulary.get(field)![id]!;
    const agrees = ({ row, values }: JoinedRow, prepared: PreparedRow | undefined): boolean => {
      if (prepared === undefined || prepared['click'] !== row.click || prepared['purchase'] !== row.purchase)
        return false;
      return FIELDS.every((field) => {
        const expected = values(field);
        const known = (id: number, wanted: number): boolean => id === 0 || decoded(field, id) === wanted;
        if (!BAG_FIELDS.has(field)) {
          const id = prepared[field] as number;
          if (NUMBERS.includes(field) && prepared[`D${field}`] !== (expected[0]?.[1] ?? 0)) return false;
          return expected.length === 0 ? id === 0 : known(id, expected[0]![0]);
        }
        const bag = prepared[field] as Values;
        return (
          bag.length === expected.length &&
          bag.every(([id, weight], i) => known(id, expected[i]![0]) && weight === expected[i]![1])
        );
      });
    };
    for (const joined of reference('train')) {
      const { session } = joined.row;
      const split = splitOf.get(session) ?? (agrees(joined, splits.train[next.train]) ? 'train' : 'valid');
      splitOf.set(session, split);
      const row = splits[split][next[split]++];
      expect(agrees(joined, row)).toBe(true);
      placed.push({ split, joined, row: row! });
    }
    for (const joined of reference('test')) {
      const row = splits.test[next.test++];
      expect(agrees(joined, row)).toBe(true);
      placed.push({ split: 'test', joined, row: row! });
    }
    expect(next).toEqual({ train: splits.train.length, valid: splits.valid.length, test: splits.test.length });
    expect(splits.valid.length / (splits.train.length + splits.valid.length)).toBeCloseTo(0.2, 1);
    expect(splitOf.size).toBeGreaterThan(100);

    // An id is in the vocabulary if train has it often enough; the vocabulary is sorted by frequency. A history has the
    // vocabulary of the candidate's field first.
    for (const field of FIELDS) {
      const counts = new Map<number, number>();
      for (const { split, joined } of placed)
        if (split === 'train') for (const [id] of joined.values(field)) counts.set(id, (counts.get(id) ?? 0) + 1);
      const minCount = (MIN_COUNTS.byField as Record<string, number>)[field] ?? MIN_COUNTS.rest;
      const frequent = [...counts]
        .filter(([, count]) => count >= minCount)
        .sort(([a, x], [b, y]) => y - x || a - b)
        .map(([id]) => id);
      const shared = field in TARGETS ? vocabulary.get(TARGETS[field]!)! : [-1];
      const known = [...shared, ...frequent.filter((id) => !shared.includes(id))];
      expect(vocabulary.get(field), field).toEqual(known);
      const isKnown = new Set(known);
      for (const { joined, row } of placed) {
        const ids = BAG_FIELDS.has(field) ? (row[field] as Values).map(([id]) => id) : [row[field] as number];
        for (const [i, [id]] of joined.values(field).entries()) expect(ids[i]! > 0).toBe(isKnown.has(id));
      }
      expect(summary.fields[field]).toMatchObject({ vocabulary: known.length - 1, distinct: counts.size, minCount });
    }
    const isShared = (field: string): boolean => {
      const shared = vocabulary.get(TARGETS[field]!)!.length;
      return shared > 1 && vocabulary.get(field)!.length > shared;
    };
    expect(Object.keys(TARGETS).some(isShared)).toBe(true);
    expect(vocabulary.get('205')!.length).toBeLessThan(summary.fields['205']!.distinct);
  });

  it('writes shards whose histories are compared with the candidate', async () => {
    const out = join(scratchFolder(), 'out');
    await run(out);
    const trainOn = (fields: string): ReturnType<typeof trainSmall> => {
      const config = join(out, 'tastes.yaml');
      writeFileSync(config, tastesConfig(fields));
      return trainSmall(config, { runDir: join(scratchFolder(), 'run'), set: [`data.cache=${scratchFolder()}`] });
    };
    const all = Object.entries(TARGETS).map(([name, target]) => `{ name: ${name}, target: ${target} }`);
    expect((await trainOn(`[${all.join(', ')}]`)).epochs).toBe(1);
    await expect(trainOn('[{ name: 109_14, target: 207 }]')).rejects.toThrow(
      /column '109_14': has target '207', but .* separately; use target: 206, .*or remove target/,
    );
    // Shards of an earlier version have no shared ids.
    for (const split of ['train', 'valid', 'test']) {
      const path = join(out, split, 'manifest.json');
      const manifest = JSON.parse(readFileSync(path, 'utf8')) as { about: Record<string, unknown> };
      delete manifest.about['sharedIds'];
      writeFileSync(path, JSON.stringify(manifest));
    }
    await expect(trainOn(`[${all.join(', ')}]`)).rejects.toThrow(
      /column '150_14'.*prepare the data again with 'npx mtl prep/,
    );
    expect((await trainOn('[109_14, 110_14]')).epochs).toBe(1);
  });

  it('stores the number of ids and out-of-vocabulary ids in each manifest', async () => {
    const out = join(scratchFolder(), 'out');
    await run(out);
    for (const split of ['train', 'valid', 'test']) {
      const folder = join(out, split);
      const rows = await readShardRows(folder);
      const counts = readIdCounts((await readManifest(folder))!);
      for (const field of FIELDS) {
        const ids = rows.flatMap((row) =>
          BAG_FIELDS.has(field) ? (row[field] as Values).map(([id]) => id) : [row[field] as number],
        );
        expect(counts.get(field), field).toEqual({ ids: ids.length, unknown: ids.filter((id) => id === 0).length });
      }
      expect([...counts.values()].some(({ unknown }) => unknown > 0)).toBe(true);
    }
  });

  it('stores label counts in each manifest', async () => {
    const out = join(scratchFolder(), 'out');
    await run(out);
    for (const split of ['train', 'valid', 'test']) {
      const folder = join(out, split);
      const rows = await readShardRows(folder);
      const ones = (label: string): number => rows.filter((row) => row[label] === 1).length;
      expect(readLabelCounts((await readManifest(folder))!)).toEqual(
        new Map(['click', 'purchase'].map((label) => [label, ones(label)])),
      );
      expect(ones('click')).toBeGreaterThan(0);
    }
  });

  it('reports stored, dropped and truncated data and lists invalid rows', async () => {
    const out = join(scratchFolder(), 'out');
    const summary = await run(out);
    expect(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))).toEqual(summary);
    const { strays } = JSON.parse(readFileSync(join(raw, 'oracle.json'), 'utf8')) as {
      strays: Record<string, { purchasesWithoutClick: number; unusedSessions: number; badRows: number }>;
    };
    for (const split of ['train', 'test'] as const) {
      const { purchasesWithoutClick, unusedSessions, badRows } = strays[split]!;
      expect(summary.dropped[split]).toEqual({
        purchasesWithoutClick,
        badRows,
        unusedCommonRows: unusedSessions,
        repeatedCommonRows: 0,
      });
      expect(badRows).toBeGreaterThan(1);
    }
    const test = reference('test');
    const clicks = test.filter(({ row }) => row.click === 1).length;
    expect(summary.splits['test']).toMatchObject({ rows: 2000, clicks, clickRate: clicks / 2000 });
    expect(summary.fields['122']!.missing['test']).toBe(test.filter(({ values }) => values('122').length === 0).length);
    const bags = [...readCommonRows(raw, 'train').values()].map((features) => features.get('110_14')!.length);
    expect(summary.fields['110_14']!.cut['common_features_train']).toEqual({
      rows: bags.filter((length) => length > 20).length,
      values: bags.reduce((sum, length) => sum + Math.max(0, length - 20), 0),
    });
    const rejects = readFileSync(join(out, 'rejects.csv'), 'utf8').trimEnd().split('\n');
    expect(rejects).toHaveLength(1 + strays['train']!.badRows + strays['test']!.badRows);
    // The reported line is the line in the file.
    const [, line] = /sample_skeleton_train\.csv,(\d+),/.exec(
      rejects.findLast((reject) => reject.includes('skeleton_train'))!,
    )!;
    const text = readFileSync(join(raw, 'sample_skeleton_train.csv'), 'latin1').split('\n')[Number(line) - 1]!;
    const bad = readSkeletonRows(raw, 'train')[Number(line) - 1]!;
    expect(text.startsWith(`${line},`)).toBe(true);
    expect(readCommonRows(raw, 'train').has(bad.session) && bad.told === [...bad.features.values()].flat().length).toBe(
      false,
    );
    expect(existsSync(join(out, '.work'))).toBe(false);
  });

  it('is bitwise identical for any number of threads and interruptions', async () => {
    const folder = scratchFolder();
    await run(join(folder, 'whole'), { threads: 1 });
    const whole = contents(join(folder, 'whole'));
    const out = join(folder, 'torn');
    let stops = 0;
    for (let isDone = false; !isDone;) {
      const controller = new AbortController();
      let pieces = 0;
      try {
        await prepare(optionsFor(out, { signal: controller.signal }), () => {
          if (++pieces === 12) controller.abort(new Error('stop'));
        });
        isDone = true;
      } catch (error) {
        expect(error).toBe(controller.signal.reason);
        stops++;
      }
    }
    expect(stops).toBeGreaterThan(3);
    expect(contents(out)).toEqual(whole);
    // Finished pieces are reused.
    let pieces = 0;
    await prepare(optionsFor(out), () => pieces++);
    expect(pieces).toBe(0);
    expect(contents(out)).toEqual(whole);
  });

  it('resumes after a kill', async () => {
    const folder = scratchFolder();
    const args = ['prepare', 'ali-ccp', raw, 'out', '--max-bad-rows', '100'];
    const start = (): ReturnType<typeof spawn> =>
      spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: 'ignore' });
    const killed = start();
    const ended = new Promise((resolve) => killed.on('close', (code, signal) => resolve(signal ?? code)));
    const piece = join(folder, 'out', '.work', 'skeleton', 'train-00000.columns');
    while (!existsSync(piece) && killed.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
    killed.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect(existsSync(join(folder, 'out', 'summary.json'))).toBe(false);
    expect(existsSync(piece)).toBe(true);
    const again = start();
    expect(await new Promise((resolve) => again.on('close', resolve))).toBe(0);
    await prepare(
      {
        ...optionsFor(join(folder, 'whole')),
        seed: 2026,
        validShare: 0.1,
        minCounts: { rest: 10, byField: {} },
        caps: { rest: 10, byField: {} },
        chunkBytes: 1 << 24,
      },
      () => undefined,
    );
    expect(contents(join(folder, 'out'))).toEqual(contents(join(folder, 'whole')));
  });

  it('rewrites a truncated piece and rejects the directory of another run', async () => {
    const folder = scratchFolder();
    const out = join(folder, 'out');
    const controller = new AbortController();
    let pieces = 0;
    await expect(
      prepare(optionsFor(out, { signal: controller.signal }), () =>
        ++pieces === 8 ? controller.abort(new Error('stop')) : undefined,
      ),
    ).rejects.toThrow('stop');
    await expect(run(out, { seed: 4 })).rejects.toThrow(
      /out: contains data that was prepared from other files or with other options/,
    );
    const common = join(out, '.work', 'common');
    const [piece, other] = readdirSync(common).filter((name) => name.startsWith('train'));
    truncateSync(join(common, piece!), 1000);
    writeFileSync(join(common, other!), '');
    // A truncated shard.
    writeFileSync(join(out, '.work', 'out', 'train', '.shard-00007.safetensors.1-1.tmp'), 'x');
    await run(out);
    await run(join(folder, 'whole'));
    expect(contents(out)).toEqual(contents(join(folder, 'whole')));

    const full = join(folder, 'full');
    cpSync(raw, full, { recursive: true });
    await expect(run(full)).rejects.toThrow(/full: is not empty; use another directory/);
    const before = contents(full);
    writeFileSync(join(full, 'x'), '');
    expect(Object.keys(contents(full)).sort()).toEqual([...Object.keys(before), 'x'].sort());
  });

  it('writes a config that trains and evaluates unchanged', async () => {
    const cwd = scratchFolder();
    await run(join(cwd, 'out'));
    const trained = await mtl(cwd, ['train', 'out/config.yaml', '--json', '--run-dir', 'run']);
    expect([trained.code, trained.stderr]).toEqual([0, expect.stringContaining('23 embedding tables') as string]);
    const { metrics } = JSON.parse(trained.stdout) as {
      metrics: Record<string, Record<string, { rows: number; auc: number }>>;
    };
    expect(metrics['test']!['ctr']!.rows).toBe(2000);
    expect(metrics['test']!['ctr']!.auc).toBeGreaterThan(0.55);
    const evaluated = await mtl(cwd, ['eval', 'run', '--json']);
    expect((JSON.parse(evaluated.stdout) as { metrics: typeof metrics }).metrics['test']).toEqual(metrics['test']);
  });

  it('writes no valid split for a share of 0', async () => {
    const out = join(scratchFolder(), 'out');
    const { splits } = await run(out, { validShare: 0 });
    expect(splits['valid']!.rows).toBe(0);
    expect(existsSync(join(out, 'valid'))).toBe(false);
    expect(readFileSync(join(out, 'config.yaml'), 'utf8')).not.toContain('valid');
  });
});
