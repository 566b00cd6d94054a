/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synth } from '../../src/synth.js';
import { readCommonRows, readSkeletonRows } from '../support/raw-rows.js';
import { scratchFolder } from '../support/scratch.js';

const COMMON = ['101', '109_14', '110_14', '121', '122', '124', '125', '126', '127', '127_14', '128', '150_14'];
const SKELETON = ['129', '205', '206', '207', '210', '216', '301', '508', '509', '702', '853'];

describe('mtl synth --format raw', () => {
  it('writes skeletons and common features with the quirks of the real files, and reports their number', async () => {
    const folder = scratchFolder();
    const rows = { train: 6000, test: 3000 };
    await synth({
      folder,
      seed: 4,
      users: 90,
      items: 60,
      rates: { click: 0.25, purchase: 0.2 },
      rows,
      format: 'raw',
      bagMean: 60,
      badEvery: 500,
    });
    const { strays } = JSON.parse(readFileSync(join(folder, 'oracle.json'), 'utf8')) as {
      strays: Record<string, Record<string, number>>;
    };
    for (const [split, count] of Object.entries(rows)) {
      const common = readCommonRows(folder, split);
      const skeleton = readSkeletonRows(folder, split);
      const size = (features: (typeof skeleton)[number]['features']): number =>
        [...features.values()].reduce((sum, values) => sum + values.length, 0);
      const wrongCount = skeleton.filter(({ told, features }) => told !== size(features));
      const orphans = skeleton.filter(({ session }) => !common.has(session));
      const purchasesWithoutClick = skeleton.filter(({ click, purchase }) => purchase === 1 && click === 0);
      const used = new Set(skeleton.map(({ session }) => session));
      expect({
        purchasesWithoutClick: purchasesWithoutClick.length,
        unusedSessions: [...common.keys()].filter((session) => !used.has(session)).length,
        badRows: wrongCount.length + orphans.length,
      }).toEqual(strays[split]);
      expect([purchasesWithoutClick.length, wrongCount.length + orphans.length]).toEqual([count / 500, count / 500]);
      expect(wrongCount.length).toBeGreaterThan(0);
      expect(orphans.length).toBeGreaterThan(0);
      expect(skeleton).toHaveLength(count + purchasesWithoutClick.length + wrongCount.length + orphans.length);

      const fields = (all: Iterable<(typeof skeleton)[number]['features']>): string[] =>
        [...new Set([...all].flatMap((features) => [...features.keys()]))].sort();
      expect(fields(common.values())).toEqual(COMMON);
      expect(fields(skeleton.map(({ features }) => features))).toEqual(SKELETON);
      // Fields are missing here and there, rows have an order of their own, sessions have many rows that do not stand
      // in one piece.
      expect([...common.values()].some((features) => !features.has('122'))).toBe(true);
      expect(new Set(skeleton.map(({ features }) => [...features.keys()].join())).size).toBeGreaterThan(100);
      expect(skeleton.length / used.size).toBeGreaterThan(5);
      expect(skeleton.filter(({ session }, r) => session !== skeleton[r - 1]?.session).length).toBeGreaterThan(
        2 * used.size,
      );
      expect(Math.max(...[...common.values()].map((features) => features.get('110_14')!.length))).toBeGreaterThan(10);
    }
  });

  it('uses distinct id ranges per field', async () => {
    const folder = scratchFolder();
    await synth({
      folder,
      seed: 4,
      users: 90,
      items: 60,
      rates: { click: 0.25, purchase: 0.2 },
      rows: { train: 2000 },
      format: 'raw',
    });
    const fieldOf = new Map<number, string>();
    for (const features of [
      ...readCommonRows(folder, 'train').values(),
      ...readSkeletonRows(folder, 'train').map((row) => row.features),
    ]) {
      for (const [field, values] of features)
        for (const [id] of values) expect(fieldOf.set(id, fieldOf.get(id) ?? field).get(id)).toBe(field);
    }
  });
});
