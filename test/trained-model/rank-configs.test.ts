/** @module-tag long */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadModel, train, type Row } from '../../src/index.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'configs');
const valid = join(root, 'data', 'sample', 'valid.csv');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

/** Maximum difference of predictions of candidates and of whole rows. */
const TOLERANCE = 1e-6;

/** Columns of candidates in Ali-CCP: of items, and combined with them. */
const ITEM_COLUMNS = ['205', '206', '207', '210', '216', '508', '509', '702', '853', '301'];

const [header, ...lines] = readFileSync(valid, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split(','));
const rows = lines.slice(0, 40).map((cells): Row => Object.fromEntries(header!.map((name, i) => [name, cells[i]!])));

const selectColumns = (row: Row, isSelected: (column: string) => boolean): Row =>
  Object.fromEntries(Object.entries(row).filter(([column]) => isSelected(column)));

describe('model.rank has the predictions of whole rows', () => {
  for (const file of files)
    it(file, async () => {
      const run = join(scratchFolder(), 'run');
      const set = [`data.train=${valid}`, 'data.test=null', 'training.epochs=1', `data.cache=${scratchFolder()}`];
      await train(join(folder, file), { set, runDir: run, device: 'cpu' });
      const model = await loadModel(run);
      for (const isOfCandidates of [
        (column: string) => ITEM_COLUMNS.includes(column),
        (column: string) => !ITEM_COLUMNS.includes(column),
        (column: string) => column === '205',
        (_: string, c: number) => c % 2 === 0,
      ]) {
        const isCandidate = (column: string): boolean => isOfCandidates(column, header!.indexOf(column));
        const user = selectColumns(rows[7]!, (column) => !isCandidate(column));
        const candidates = rows.map((row) => selectColumns(row, isCandidate));
        const expected = model.predict(candidates.map((candidate) => ({ ...user, ...candidate })));
        const found = model.rank(user, candidates);
        expect(Object.keys(found)).toEqual(Object.keys(expected));
        for (const [output, values] of Object.entries(expected)) {
          const differences = values.map((value, row) => Math.abs(found[output]![row]! - value));
          expect(Math.max(...differences)).toBeLessThanOrEqual(TOLERANCE);
          expect(new Set(values).size).toBeGreaterThan(1);
        }
      }
      model.dispose();
    });
});
