/** @module-tag long */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare, type PrepareOptions } from '../../src/prepare.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { synth } from '../../src/synth.js';
import { trainSmall } from '../support/small-run.js';
import { readShardRows } from '../support/prepared.js';
import { readCommonRows, readSkeletonRows } from '../support/raw-rows.js';

const COMPARE = join(import.meta.dirname, '..', '..', 'configs', 'compare');
/** Fields of the authors' script. */
const FIELDS = [
  '101',
  '121',
  '122',
  '124',
  '125',
  '126',
  '127',
  '128',
  '129',
  '205',
  '206',
  '207',
  '216',
  '508',
  '509',
  '702',
  '853',
  '301',
];

let folder: string;
const optionsFor = (out: string, more: Partial<PrepareOptions> = {}): PrepareOptions => ({
  raw: join(folder, 'raw'),
  out: join(folder, out),
  seed: 3,
  validShare: 0.1,
  recipe: 'aitm',
  maxBadRows: 0,
  threads: 1,
  signal: new AbortController().signal,
  chunkBytes: 200_000,
  ...more,
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-recipes-'));
  await synth({
    folder: join(folder, 'raw'),
    seed: 9,
    users: 150,
    items: 300,
    rates: { click: 0.25, purchase: 0.2 },
    rows: { train: 4000, test: 1000 },
    format: 'raw',
    bagMean: 6,
  });
  await prepare(optionsFor('aitm'), () => undefined);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * The authors' script in a few lines: joins rows, takes the last value of each field, drops purchases without a click.
 */
function joined(split: string): { readonly labels: readonly [number, number]; readonly ids: readonly number[] }[] {
  const common = readCommonRows(join(folder, 'raw'), split);
  return readSkeletonRows(join(folder, 'raw'), split)
    .filter(({ click, purchase }) => click >= purchase)
    .map(({ click, purchase, session, features }) => {
      const all = new Map([...features, ...common.get(session)!]);
      return { labels: [click, purchase], ids: FIELDS.map((field) => all.get(field)?.at(-1)?.[0] ?? -1) };
    });
}

describe('mtl prepare --recipe aitm', () => {
  it("selects the last of several values, and ids in at least twelve rows, like the authors' script", async () => {
    const rows = joined('train');
    const counts = FIELDS.map((_, f) => {
      const count = new Map<number, number>();
      for (const { ids } of rows) count.set(ids[f]!, (count.get(ids[f]!) ?? 0) + 1);
      return count;
    });
    const vocabulary = await readSafetensors(join(folder, 'aitm', 'vocabulary.safetensors'));
    for (const [f, field] of FIELDS.entries()) {
      const kept = [...vocabulary.get(field)!.data].slice(1).sort((a, b) => a - b);
      expect(kept, field).toEqual(
        [...counts[f]!]
          .filter(([id, count]) => id >= 0 && count >= 12)
          .map(([id]) => id)
          .sort((a, b) => a - b),
      );
    }
    // Some ids are rare, and some rows of 853 have several values, of which the last is not that of largest weight.
    expect(vocabulary.get('205')!.data.length).toBeLessThan(counts[FIELDS.indexOf('205')]!.size);

    const asText = ({ labels, ids }: ReturnType<typeof joined>[number]): string =>
      [...labels, ...ids.map((id, f) => ((counts[f]!.get(id) ?? 0) >= 12 ? id : -1))].join();
    const prepared = async (split: string): Promise<string[]> =>
      (await readShardRows(join(folder, 'aitm', split))).map((row) =>
        [
          row['click'],
          row['purchase'],
          ...FIELDS.map((field) => vocabulary.get(field)!.data[row[field] as number]),
        ].join(),
      );
    const [train, valid, test] = [await prepared('train'), await prepared('valid'), await prepared('test')];
    expect([...train, ...valid].sort()).toEqual(rows.map(asText).sort());
    expect(test.sort()).toEqual(joined('test').map(asText).sort());
    // Rows of valid are selected independently, so nearly every user has some.
    expect(valid.length / rows.length).toBeCloseTo(0.1, 1.5);
    expect(new Set(valid.map((row) => row.split(',')[2])).size).toBeGreaterThan(100);
  });

  it('does not affect data prepared without it, and rejects a resume without it', async () => {
    await prepare(optionsFor('usual', { recipe: undefined }), () => undefined);
    expect((await readShardRows(join(folder, 'usual', 'train')))[0]!['853']).toBeInstanceOf(Array);
    await expect(prepare(optionsFor('usual'), () => undefined)).rejects.toThrow('other options');
  });

  for (const file of readdirSync(COMPARE)) {
    it(`trains ${file} with the paper's metrics and documents the published results in its header`, async () => {
      const set = [
        ...['train', 'valid', 'test'].map((split) => `data.${split}=${join(folder, 'aitm', split)}`),
        `data.cache=${join(folder, 'cache')}`,
        'training.epochs=1',
        'training.batchSize=500',
      ];
      const { metrics } = await trainSmall(join(COMPARE, file), { runDir: join(folder, 'runs', file), set });
      const outputs = file === 'aitm.yaml' ? ['click', 'purchase'] : ['ctr', 'cvr', 'ctcvr'];
      for (const output of outputs) expect(metrics['test']![output]!['auc'], output).toBeGreaterThan(0.3);
      if (file === 'aitm.yaml') expect(metrics['test']!['purchase']!.rows).toBe(metrics['test']!['click']!.rows);
      const header = readFileSync(join(COMPARE, file), 'utf8').split('\n\n')[0]!;
      for (const claim of ['paper', 'data', 'command', 'published', 'score', 'cost', 'differs'])
        expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
      expect(header).toContain('mtl prepare ali-ccp downloads/ data/aitm --recipe aitm');
      expect(header).toContain(`npx mtl train configs/compare/${file}`);
    });
  }
});
