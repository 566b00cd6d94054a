/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HEADER } from '../../src/synth/ali-ccp.js';
import { NO_BIASES, type Biases } from '../../src/synth/biases.js';
import { synth } from '../../src/synth.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const POSITION = HEADER.indexOf('301');
const ROWS = 30_000;

/** A small log with biases: what is true of it, and the cells of a file. */
async function biased(biases: Partial<Biases>) {
  const folder = scratchFolder();
  const options = {
    users: 300,
    items: 200,
    rates: { click: 0.25, purchase: 0.2 },
    seed: 6,
    rows: { test: ROWS },
    counterfactualOf: 'test',
  };
  const oracle = await synth({ ...options, folder, biases: { ...NO_BIASES, ...biases } });
  const read = (name: string) =>
    readFileSync(join(folder, `${name}.csv`), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','));
  return { folder, oracle, read };
}

const share = (rows: readonly (readonly string[])[], column: number): number =>
  rows.filter((cells) => cells[column] === '1').length / rows.length;

describe('the biases of a planted log', () => {
  it('preserve the rates, and the clicked counterfactual adds the purchases to the rows of test', async () => {
    const { read } = await biased({ position: 0.7, selection: 0.8, confounder: 1 });
    const [test, clicked] = [read('test'), read('test-clicked')];
    expect(share(test, 0)).toBeCloseTo(0.25, 1.5);
    expect(
      share(
        test.filter(([click]) => click === '1'),
        1,
      ),
    ).toBeCloseTo(0.2, 1.5);
    expect(clicked).toHaveLength(ROWS);
    expect(share(clicked, 0)).toBe(1);
    for (const [r, cells] of clicked.entries()) {
      expect(cells.slice(2)).toEqual(test[r]!.slice(2));
      if (test[r]![0] === '1') expect(cells[1]).toBe(test[r]![1]);
    }
    expect(share(clicked, 1)).toBeGreaterThan(0.02);
  });

  it('provide both truths: for clicked rows, and for all rows', async () => {
    const { oracle, read } = await biased({ confounder: 1.5 });
    // A need of the moment, unseen, has those who click buy more than all others would with the same columns.
    expect(
      share(
        read('test').filter(([click]) => click === '1'),
        1,
      ),
    ).toBeGreaterThan(1.4 * share(read('test-clicked'), 1));
    for (const [file, output] of [
      ['test', 'ctr'],
      ['test', 'cvr'],
      ['test', 'ctcvr'],
      ['test-clicked', 'cvr'],
      ['test-shuffled', 'cvr'],
    ] as const) {
      const { auc, pcoc } = oracle[file]![output]!;
      expect(Math.abs((pcoc as number) - 1), `${file} ${output}`).toBeLessThan(0.05);
      expect(auc).toBeGreaterThan(0.6);
    }
    expect(Object.keys(oracle['test-clicked']!)).toEqual(['cvr']);
    // What is true of clicked rows is not what is true of all.
    expect(oracle['test']!['cvr_all']).toBeDefined();
  });

  it('make likely buyers click if selection is on: which rows are observed depends on the label', async () => {
    const [none, some] = [await biased({}), await biased({ selection: 1 })];
    const lift = ({ read }: typeof none): number =>
      share(
        read('test').filter(([click]) => click === '1'),
        1,
      ) / share(read('test-clicked'), 1);
    expect(lift(some)).toBeGreaterThan(1.2 * lift(none));
  });

  it('give good positions to likely clicks, except where positions are shuffled', async () => {
    const [none, some] = [await biased({}), await biased({ position: 1.5 })];
    const clicksAt = (rows: readonly (readonly string[])[], position: string): number =>
      share(
        rows.filter((cells) => cells[POSITION] === position),
        0,
      );
    const fall = (rows: readonly (readonly string[])[]): number => clicksAt(rows, '1') / clicksAt(rows, '3');
    expect(fall(some.read('test'))).toBeGreaterThan(1.5 * fall(none.read('test')));
    expect(Math.abs(Math.log(fall(some.read('test-shuffled')) / fall(none.read('test'))))).toBeLessThan(0.15);
    expect(new Set(some.read('test').map((cells) => cells[POSITION]))).toEqual(new Set(['1', '2', '3']));
  });

  it('are set on the command line, and rejected if they are invalid', async () => {
    const folder = scratchFolder();
    const made = await mtl(folder, [
      'synth',
      'crooked',
      '--train',
      '300',
      '--valid',
      '100',
      '--test',
      '200',
      '--selection-bias',
      '0.5',
      '--confounder',
      '1',
      '--counterfactual',
    ]);
    expect([made.code, made.stderr]).toEqual([0, '']);
    expect(made.stdout).toContain('test-clicked');
    expect(JSON.parse(readFileSync(join(folder, 'crooked', 'oracle.json'), 'utf8'))).toMatchObject({
      biases: { position: 0, selection: 0.5, confounder: 1 },
      'test-shuffled': {},
    });
    const refused = await mtl(folder, ['synth', 'raw', '--format', 'raw', '--counterfactual', '--confounder', '1']);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('--counterfactual: requires --format csv'),
    ]);
    expect((await mtl(folder, ['synth', 'x', '--confounder', '-1'])).stderr).toContain(
      '--confounder: expected a number from 0 to 10',
    );
  });
});
