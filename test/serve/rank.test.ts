import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, type Model, type Row } from '../../src/index.js';
import { servedWorld, startServer, type InjectedResponse } from '../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-serve-rank-'));
let world: Awaited<ReturnType<typeof servedWorld>>;
let model: Model;
let server: Awaited<ReturnType<typeof startServer>>;
let user: Row;
let candidates: Row[];

/** Columns of candidates; the cross reads one of them and one of the user. */
const ITEM_COLUMNS = ['205', '206', 'D508'];

beforeAll(async () => {
  world = await servedWorld(folder);
  model = await loadModel(world.run);
  server = await startServer({ paths: [world.run], limits: { bytes: 1 << 20, rows: 300 } });
  const select = (row: Row, isSelected: (column: string) => boolean): Row =>
    Object.fromEntries(Object.entries(row).filter(([column]) => isSelected(column)));
  user = select(world.rows[3]!, (column) => !ITEM_COLUMNS.includes(column));
  candidates = world.rows.slice(0, 12).map((row) => select(row, (column) => ITEM_COLUMNS.includes(column)));
}, 120_000);
afterAll(async () => {
  await server.drain();
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const post = (url: string, payload: object): Promise<InjectedResponse> =>
  server.app.inject({ method: 'POST', url, payload });
const predictionsOf = (response: InjectedResponse): Record<string, number>[] =>
  response.json<{ predictions: Record<string, number>[] }>().predictions;
const errorOf = (response: InjectedResponse): unknown => [
  response.statusCode,
  response.json<{ error: string }>().error,
];

describe('POST /predict with a user and candidates', () => {
  it('answers in the form of rows, with their predictions', async () => {
    const response = await post('/predict', { user, candidates });
    const rows = await post('/predict', { rows: candidates.map((candidate) => ({ ...user, ...candidate })) });
    expect(response.statusCode).toBe(200);
    expect(Object.keys(response.json())).toEqual(Object.keys(rows.json()));
    expect(predictionsOf(response)).toHaveLength(12);
    for (const [i, expected] of predictionsOf(rows).entries()) {
      const found = predictionsOf(response)[i]!;
      expect(Object.keys(found)).toEqual(Object.keys(expected));
      for (const [output, value] of Object.entries(expected))
        expect(Math.abs(found[output]! - value)).toBeLessThan(1e-6);
    }
  });

  it('accepts no candidates and one, and the path of a model', async () => {
    expect((await post('/predict', { user, candidates: [] })).json()).toMatchObject({ predictions: [] });
    const one = await post('/models/small/predict', { user, candidates: candidates.slice(0, 1) });
    expect(predictionsOf(one)).toHaveLength(1);
  });

  it('gives bundled requests the answers of single requests', async () => {
    const bodies = Array.from({ length: 30 }, (_, i): object =>
      i % 3 === 0
        ? { rows: world.rows.slice(i, i + 2) }
        : { user: i % 3 === 1 ? user : { ...user, 101: 'x' }, candidates: candidates.slice(i % 5) },
    );
    const single: InjectedResponse[] = [];
    for (const body of bodies) single.push(await post('/predict', body));
    const bundled = await Promise.all(bodies.map((body) => post('/predict', body)));
    expect(bundled.map(({ payload }) => payload)).toEqual(single.map(({ payload }) => payload));
    expect(single.map(({ statusCode }) => statusCode)).toEqual(bodies.map((_, i) => (i % 3 === 2 ? 400 : 200)));
  });

  it('reports an invalid user once, and an invalid candidate with its place', async () => {
    expect(errorOf(await post('/predict', { user: { ...user, 101: 'x' }, candidates }))).toEqual([
      400,
      'user: column "101": expected an integer id in digits, found "x"; correct the row, ' +
        'or set encoding: tokens if ids are strings',
    ]);
    const invalid = [candidates[0]!, { ...candidates[1]!, D508: 'x' }];
    expect(errorOf(await post('/predict', { user, candidates: invalid }))).toEqual([
      400,
      expect.stringContaining('candidates[1]: column "D508": expected a decimal number, found "x"'),
    ]);
    const skipped = await post('/predict?onBadRow=skip', { user, candidates: invalid });
    expect(predictionsOf(skipped)).toEqual([expect.objectContaining({ ctr: expect.any(Number) as number }), null]);
    expect(skipped.json()).toMatchObject({ problems: [{ where: 'candidates[1]', key: 'column "D508"' }] });
    const noUser = await post('/predict?onBadRow=skip', { user: { ...user, 101: 'x' }, candidates });
    expect(predictionsOf(noUser)).toEqual(candidates.map(() => null));
    expect(noUser.json<{ problems: object[] }>().problems).toHaveLength(1);
  });

  it('rejects other bodies with the reason', async () => {
    const tooMany = Array.from({ length: 301 }, () => candidates[0]!);
    for (const [body, status, error] of [
      [
        { user, rows: [] },
        400,
        'body: rows: unknown key; expected user, candidates; send either rows, or user and candidates',
      ],
      [{ user }, 400, 'candidates: expected a list of objects with one value per column, found nothing'],
      [{ candidates }, 400, 'user: expected an object with one value per column, found nothing'],
      [{ user: [user], candidates }, 400, expect.stringContaining('user: expected an object')],
      [{ user, candidates: [1] }, 400, expect.stringContaining('candidates[0]: expected an object')],
      [
        { user, candidates: tooMany },
        413,
        expect.stringContaining('candidates: expected at most 300 candidates, found 301'),
      ],
      [
        { user, candidates: [{ ...candidates[0]!, 101: 5 }] },
        400,
        'candidates[0]: column "101": is also in user; send it in user if all candidates share it, ' +
          'else only in candidates',
      ],
    ] as const)
      expect(errorOf(await post('/predict', body))).toEqual([status, error]);
  });

  it('counts candidates as rows, with the values of their user', async () => {
    const metric = async (name: string): Promise<number> => {
      const { payload } = await server.app.inject('/metrics');
      return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(payload)?.[1]);
    };
    const names = ['mtl_rows_total{model="small"}', 'mtl_null_values_total{model="small",column="109_14"}'].map(
      (name) => name.replace(/[{}]/g, '\\$&'),
    );
    const before = await Promise.all(names.map(metric));
    await post('/predict', { user: { ...user, '109_14': null }, candidates });
    const after = await Promise.all(names.map(metric));
    expect(after.map((value, i) => value - before[i]!)).toEqual([12, 12]);
  });
});
