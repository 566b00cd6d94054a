import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, UserError, type InvalidRow, type Model, type Predictions, type Row } from '../../src/index.js';
import { servedWorld } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-rank-'));
let model: Model;
let rows: Row[];

/** Features of every type; a cross, a match and an expression read columns of users and items. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 4 }
  item: { type: categorical, fields: [205], width: 4, encoding: { name: tokens } }
  shop: { type: categorical, fields: [207], width: 4, encoding: { name: hash, buckets: 50 } }
  met: { type: cross, fields: [[121, 206]], width: 4, buckets: 30 }
  much: { type: bucketized, fields: [D109_14], width: 4, quantiles: 5 }
  lines: { type: piecewise-linear, fields: [D508], bins: 4, width: 4 }
  numbers: { type: numeric, fields: [D109_14, D508], scaling: standard }
  ratio: { type: expression, fields: [{ name: ratio, expression: D109_14 / (1 + abs(D508)) }], encoding: numeric }
  known:
    type: match
    fields: [{ candidate: 206, history: 109_14 }]
    outputs: [present, count]
    encoding: { name: piecewise-linear, width: 4 }
  history: { type: bag, fields: [109_14], width: 4, pooling: mean, maxItems: 3 }
  tags: { type: bag, fields: [853], width: 4 }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8], batchNorm: true }, cvrTower: { hidden: [8] }, wide: true }
training: { epochs: 1, batchSize: 64, ema: { decay: 0.9 } }
`;
const ITEM_COLUMNS = ['205', '206', '207', 'D508', '853'];
const isOfItem = (column: string): boolean => ITEM_COLUMNS.includes(column);

const select = (row: Row, isSelected: (column: string) => boolean): Row =>
  Object.fromEntries(Object.entries(row).filter(([column]) => isSelected(column)));
const userOf = (row: number): Row => select(rows[row]!, (column) => !isOfItem(column));
const candidatesOf = (begin: number, end: number): Row[] => rows.slice(begin, end).map((row) => select(row, isOfItem));

beforeAll(async () => {
  ({ rows } = await servedWorld(folder, CONFIG));
  model = await loadModel(join(folder, 'run'));
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function expectSame(found: Predictions, expected: Predictions): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [output, values] of Object.entries(expected)) {
    expect(found[output]).toHaveLength(values.length);
    expect(Math.max(0, ...values.map((value, row) => Math.abs(found[output]![row]! - value)))).toBeLessThan(1e-6);
  }
}

const problemsOf = (call: () => unknown): readonly string[] => {
  try {
    call();
  } catch (error) {
    if (error instanceof UserError)
      return error.problems.map(({ where, key, message }) => `${where} ${key} ${message}`);
    throw error;
  }
  return [];
};

describe('model.rank', () => {
  it('has the predictions of whole rows, also for no candidate, one, many and equal ones', () => {
    const many = Array.from({ length: 25 }, () => candidatesOf(0, 200)).flat();
    for (const candidates of [[], candidatesOf(3, 4), candidatesOf(0, 200), many])
      for (const user of [userOf(0), userOf(17)])
        expectSame(model.rank(user, candidates), model.predict(candidates.map((each) => ({ ...user, ...each }))));
  });

  it('has them for candidates with other columns, in turn', () => {
    for (const isCandidate of [isOfItem, (column: string) => !isOfItem(column), (column: string) => column === '205']) {
      const user = select(rows[5]!, (column) => !isCandidate(column));
      const candidates = rows.slice(0, 30).map((row) => select(row, isCandidate));
      expectSame(model.rank(user, candidates), model.predict(candidates.map((each) => ({ ...user, ...each }))));
    }
    const whole = candidatesOf(0, 5).map((each) => ({ ...userOf(1), ...each }));
    expectSame(model.rank({}, whole), model.predict(whole));
    expectSame(model.rank(whole[0]!, [{}, {}]), model.predict([whole[0]!, whole[0]!]));
  });

  it('reads nested objects', () => {
    const [user, candidates] = [userOf(2), candidatesOf(0, 4)];
    expectSame(model.rank({ ...user, more: { 205: 'no' } }, candidates), model.rank(user, candidates));
  });

  it('rejects a column that the user and a candidate have', () => {
    const candidates = [...candidatesOf(0, 2), { ...candidatesOf(2, 3)[0]!, 101: null }];
    expect(problemsOf(() => model.rank(userOf(0), candidates))).toEqual(['candidates[2] column "101" is also in user']);
  });

  it('reports columns that are missing in both once, and those that some candidates lack', () => {
    const user = select(userOf(0), (column) => column !== '101');
    const candidates = candidatesOf(0, 20).map((each, i) =>
      i === 4 ? select(each, (column) => column !== '205') : each,
    );
    expect(problemsOf(() => model.rank(user, candidates))).toEqual([
      'user column "101" is missing',
      'candidates[4] column "205" is missing',
    ]);
    const found = model.rank(user, candidates, { onMissing: 'oov', onInvalidRow: () => undefined });
    const wholeRows = candidates.map((each) => ({ ...user, ...each }));
    expect(plainOf(found)).toEqual(
      plainOf(model.predict(wholeRows, { onMissing: 'oov', onInvalidRow: () => undefined })),
    );
  });

  it('suggests a column with a similar name', () => {
    const user = { ...select(userOf(0), (column) => column !== 'D109_14'), 'd109-14': 3 };
    try {
      model.rank(user, candidatesOf(0, 2));
      expect.unreachable();
    } catch (error) {
      expect((error as UserError).problems[0]).toMatchObject({
        where: 'user',
        fix: expect.stringContaining('D109_14') as string,
      });
    }
  });

  it('gives an invalid candidate NaN, and all candidates of an invalid user', () => {
    const bad: InvalidRow[] = [];
    const onInvalidRow = (each: InvalidRow): void => void bad.push(each);
    const candidates = candidatesOf(0, 3).map((each, i) => (i === 1 ? { ...each, D508: 'x' } : each));
    const { ctr } = model.rank(userOf(0), candidates, { onInvalidRow });
    expect([...ctr!].map(Number.isNaN)).toEqual([false, true, false]);
    // The fields that read the column, an expression among them, have one problem.
    expect(bad).toMatchObject([
      { row: 1, source: 'input', problems: [{ where: 'candidates[1]', key: 'column "D508"' }] },
    ]);
    bad.length = 0;
    const ofNobody = model.rank({ ...userOf(0), 101: 'x' }, candidates, { onInvalidRow });
    expect([...ofNobody['ctr']!].every(Number.isNaN)).toBe(true);
    expect(bad.map(({ row, problems }) => [row, [...new Set(problems.map(({ where }) => where))]])).toEqual([
      [0, ['user']],
      [1, ['user', 'candidates[1]']],
      [2, ['user']],
    ]);
  });

  it('names the largest number of a user for a prediction that is not finite', () => {
    const bad: InvalidRow[] = [];
    model.rank({ ...userOf(0), D109_14: 3e38 }, candidatesOf(0, 2), { onInvalidRow: (each) => void bad.push(each) });
    expect(bad).toMatchObject([0, 1].map((row) => ({ row, source: 'prediction' })));
    expect(bad[0]!.problems[0]!.fix).toContain('columns "D109_14", "D508"');
  });

  it('rejects values that are no objects', () => {
    expect(problemsOf(() => model.rank([] as unknown as Row, []))).toEqual([
      expect.stringContaining('user undefined expected an object'),
    ]);
    expect(problemsOf(() => model.rank({}, {} as unknown as Row[]))).toEqual([
      expect.stringContaining('candidates undefined expected a list'),
    ]);
  });
});

/** Rounded, since sums of a user and of whole rows differ by rounding. */
const plainOf = (predictions: Predictions): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(predictions).map(([output, values]) => [output, [...values].map((value) => value.toFixed(5))]),
  );
