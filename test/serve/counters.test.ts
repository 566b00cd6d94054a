/** @module-tag long */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, predict, train, type Row } from '../../src/index.js';
import { LOG, type LogRow } from '../support/counter-log.js';
import { expectDescribed, readDocument } from '../support/openapi.js';
import { serverOfTest, type InjectedResponse, type TestServer } from '../support/served.js';

// A served model with counters, against `mtl predict` on a file and counts of the test.

const CONFIG = `
data:
  train: train.csv
  valid: valid.csv
  counters:
    time: time
    format: seconds
    delay: 1h
    count:
      clicks: { by: item, of: click, within: 1d, resolution: 1s }
      shows: { by: [user, item], within: 2d, resolution: 1s }
      ctr: { by: item, of: click, within: 2d, resolution: 1s, rate: { prior: 5 } }
features:
  user: { type: categorical, fields: [user], width: 4, encoding: { name: tokens } }
  recent: { type: numeric, fields: [clicks, shows, ctr], scaling: standard }
tasks: { ctr: { label: click, onMissing: mask } }
model: { name: single-task, tower: { hidden: [8] } }
training: { epochs: 2, batchSize: 32 }
`;
const SETS = { train: [0, 300], valid: [300, 400], next: [400, 600] } as const;
const NEXT = LOG.slice(...SETS.next);

const folder = mkdtempSync(join(tmpdir(), 'mtl-served-counters-'));
const run = join(folder, 'run');
const daily = join(folder, 'daily');
let expected: number[];

function writeLog(name: string, rows: readonly LogRow[]): string {
  const lines = rows.map(({ time, item, user, click }) => [time / 1000, item, user, click ?? ''].join(','));
  writeFileSync(join(folder, name), ['time,item,user,click', ...lines, ''].join('\n'));
  return join(folder, name);
}

/** Predicts rows of a file; returns the predictions in order. */
async function predictRows(path: string, rows: readonly LogRow[]): Promise<number[]> {
  const out = join(folder, 'out.csv');
  await predict(path, { data: writeLog('rows.csv', rows), out, device: 'cpu', threads: 1 });
  return readFileSync(out, 'utf8').trimEnd().split('\n').slice(1).map(Number);
}

beforeAll(async () => {
  for (const [name, [begin, end]] of Object.entries(SETS)) writeLog(`${name}.csv`, LOG.slice(begin, end));
  writeFileSync(join(folder, 'config.yaml'), CONFIG);
  const options = { device: 'cpu', threads: 1 } as const;
  await train(join(folder, 'config.yaml'), { ...options, runDir: run });
  // The next run of a chain, whose data ends later.
  const set = [`initFrom.checkpoint=${run}`, 'data.train=valid.csv', 'data.valid=next.csv'];
  await train(join(folder, 'config.yaml'), { ...options, runDir: daily, set });
  expected = await predictRows(run, NEXT);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const toEvent = ({ time, item, user, click }: LogRow): Row => ({ time: time / 1000, item, user, click: click ?? null });
const toRequest = ({ time, item, user }: LogRow): Row => ({ time: time / 1000, item, user });
const post = (server: TestServer, url: string, rows: readonly Row[]): Promise<InjectedResponse> =>
  server.app.inject({ method: 'POST', url, payload: { rows } });
const ask = async (server: TestServer, rows: readonly Row[]): Promise<number[]> => {
  const response = await post(server, '/predict', rows);
  return response.json<{ predictions: { ctr: number }[] }>().predictions.map(({ ctr }) => ctr);
};

/** Counts the events before a row of the log as the config does, by looking at each of them. */
function countBefore(row: number): { clicks: number; shows: number; ctr: number } {
  const { time, item, user } = LOG[row]!;
  const age = (each: LogRow): number => (time - each.time) / 3_600_000;
  const labeled = LOG.slice(0, row).filter((each) => each.click !== undefined && age(each) > 1 && age(each) <= 48);
  const own = labeled.filter((each) => each.item === item);
  const sum = (rows: readonly LogRow[]): number => rows.reduce((total, { click }) => total + click!, 0);
  return {
    clicks: sum(own.filter((each) => age(each) <= 24)),
    shows: LOG.slice(0, row).filter((e) => e.item === item && e.user === user && age(e) > 0 && age(e) <= 48).length,
    ctr: Math.fround((sum(own) + (5 * sum(labeled)) / labeled.length) / (own.length + 5)),
  };
}

describe('a served model with counters', () => {
  it('answers as mtl predict with several threads, if each row becomes an event', async () => {
    const server = await serverOfTest({ paths: [run], workers: 3 });
    const found: number[] = [];
    // Rows of the same time do not see each other: they are asked at once, each by a request of its own.
    for (let row = 0; row < NEXT.length;) {
      const { time } = NEXT[row]!;
      const same = NEXT.slice(row).filter((each) => each.time === time);
      const answers = await Promise.all(same.map((each) => ask(server, [toRequest(each)])));
      found.push(...answers.flat());
      const { statusCode, payload } = await post(server, '/events', same.map(toEvent));
      expect([statusCode, JSON.parse(payload)]).toEqual([
        200,
        { model: 'config', version: '20', events: same.length, latest: new Date(time).toISOString() },
      ]);
      row += same.length;
    }
    expect(found).toEqual(expected);
    expect(server.bugs).toEqual([]);
  });

  it('answers candidates of a user as their rows, as the library does', async () => {
    const server = await serverOfTest({ paths: [run] });
    const number = 552;
    const events = LOG.slice(SETS.next[0], number).map(toEvent);
    expect((await post(server, '/events', events)).statusCode).toBe(200);
    const model = await loadModel(run);
    model.addEvents(events);
    const { time, user } = toRequest(LOG[number]!);
    const candidates = [...new Set(LOG.map(({ item }) => item)), 'new'].map((item): Row => ({ item }));
    const rows = candidates.map((candidate) => ({ time, user, ...candidate }));
    const expectedOfRows = await ask(server, rows);
    const { payload } = await server.app.inject({
      method: 'POST',
      url: '/predict',
      payload: { user: { time, user }, candidates },
    });
    const found = (JSON.parse(payload) as { predictions: { ctr: number }[] }).predictions.map(({ ctr }) => ctr);
    expect(new Set(expectedOfRows).size).toBeGreaterThan(3);
    for (const [i, value] of expectedOfRows.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-6);
    expect([...model.rank({ time, user }, candidates)['ctr']!].map((value) => value.toFixed(6))).toEqual(
      [...model.predict(rows)['ctr']!].map((value) => value.toFixed(6)),
    );
    model.dispose();
  });

  it('answers as with counts in the request, which replace its own', async () => {
    const server = await serverOfTest({ paths: [run] });
    // The first row of its time.
    const number = 552;
    const before = LOG.slice(SETS.next[0], number).map(toEvent);
    expect((await post(server, '/events', before)).statusCode).toBe(200);
    const row = toRequest(LOG[number]!);
    const counts = countBefore(number);
    expect(counts.clicks * counts.shows).toBeGreaterThan(0);
    const [own, given, changed] = await ask(server, [row, { user: row['user']!, ...counts }, { ...row, clicks: 99 }]);
    expect(own).toBe(given);
    expect(changed).not.toBe(own);
    const tensors = await server.app.inject({
      method: 'POST',
      url: '/v2/models/config/infer',
      payload: {
        inputs: Object.entries(row).map(([name, value]) => ({
          name,
          shape: [1],
          datatype: typeof value === 'number' ? 'INT64' : 'BYTES',
          data: [value],
        })),
      },
    });
    expect(tensors.json<{ outputs: { data: number[] }[] }>().outputs[0]!.data).toEqual([own]);
    const model = await loadModel(run);
    model.addEvents(before);
    expect([...model.predict([row])['ctr']!]).toEqual([...model.predict([{ ...row, ...counts }])['ctr']!]);
    expect(model.predict([row])['ctr']![0]).toBe(Math.fround(own!));
    model.dispose();
  });

  it('describes the columns that a request may lack', async () => {
    const model = await loadModel(run);
    expect(model.inputs.filter(({ isOptional }) => isOptional).map(({ name }) => name)).toEqual([
      'clicks',
      'shows',
      'ctr',
      'time',
      'item',
    ]);
    model.dispose();
    const server = await serverOfTest({ paths: [run] });
    const config = (await server.app.inject('/v2/models/config/config')).json<{ input: { optional?: true }[] }>();
    expect(config.input.map(({ optional }) => optional)).toEqual([undefined, true, true, true, true, true]);
  });

  it('reports rows without known counters, and rejects events with their place', async () => {
    const server = await serverOfTest({ paths: [run] });
    const row = toRequest(NEXT[0]!);
    const errorOf = async (url: string, rows: readonly Row[]): Promise<unknown> => {
      const response = await post(server, url, rows);
      return [response.statusCode, response.json<{ error: string }>().error];
    };
    expect(await errorOf('/predict', [row, { ...row, time: LOG[9]!.time / 1000 }])).toEqual([
      400,
      expect.stringContaining('rows[1]: column "clicks": expected a decimal number, found "unknown, since the row is'),
    ]);
    expect(await errorOf('/predict', [{ user: 'u1', time: row['time']! }])).toEqual([
      400,
      expect.stringContaining('found "unknown, since the row has no item"'),
    ]);
    expect(
      await ask(server, [
        { ...row, item: 'new' },
        { user: 'u1', item: null },
      ]),
    ).toHaveLength(2);
    expect(await errorOf('/events', [toEvent(NEXT[5]!), toEvent(NEXT[0]!)])).toEqual([
      400,
      expect.stringContaining('rows[1]: column "time": is 2025'),
    ]);
    const before = await ask(server, NEXT.slice(20, 40).map(toRequest));
    for (const click of [2, 1e308, 'yes'])
      expect(await errorOf('/events', [toEvent(NEXT[0]!), { ...toEvent(NEXT[0]!), click }])).toEqual([
        400,
        expect.stringContaining('rows[1]: column "click": expected 0 or 1, found'),
      ]);
    expect(await ask(server, NEXT.slice(20, 40).map(toRequest))).toEqual(before);
    expect(await errorOf('/events?off=click', [])).toEqual([400, expect.stringContaining('did you mean')]);
    expect((await post(server, '/models/config/events?of=', [toEvent(NEXT[5]!)])).statusCode).toBe(200);
    // Those with labels may follow later.
    expect((await post(server, '/events?of=click', [toEvent(NEXT[0]!)])).statusCode).toBe(200);
    expect(await errorOf('/events', [toEvent(NEXT[0]!)])).toEqual([400, expect.stringContaining('rows[0]')]);
    expect(await errorOf('/models/other/events', [])).toEqual([404, expect.stringContaining('unknown model')]);
  });

  it('has an OpenAPI document that requires no counters, and describes events', async () => {
    const server = await serverOfTest({ paths: [run] });
    const document = await readDocument(server);
    const row = document.components.schemas['config.Row'];
    expect(row).toMatchObject({
      required: ['user'],
      properties: { clicks: {}, shows: {}, ctr: {}, time: {}, item: {} },
    });
    const requests = [
      [200, { path: '/events', query: '?of=click', payload: { rows: [] } }],
      [200, { path: '/models/{model}/events', payload: { rows: NEXT.slice(0, 2).map(toEvent) } }],
      [400, { path: '/events', payload: { rows: [{ ...toEvent(NEXT[3]!), click: 2 }] } }],
    ] as const;
    for (const [status, request] of requests) {
      const answer = await expectDescribed(server, document, request, { model: 'config' });
      expect([answer.statusCode, answer.payload]).toEqual([status, expect.anything()]);
    }
  });

  it('has the counters of the new checkpoint after a reload', async () => {
    const link = join(folder, 'latest');
    symlinkSync(run, link);
    const server = await serverOfTest({ paths: [link], workers: 2 });
    const later = { ...NEXT.at(-1)!, time: NEXT.at(-1)!.time + 60_000 };
    expect(await ask(server, [toRequest(later)])).toEqual(await predictRows(run, [later]));
    rmSync(link);
    symlinkSync(daily, link);
    await server.reload();
    const { latest } = (await post(server, '/events', [])).json<{ latest: string }>();
    expect(latest).toBe(new Date(NEXT.at(-1)!.time).toISOString());
    expect(await ask(server, [toRequest(later)])).toEqual(await predictRows(daily, [later]));
    expect(server.bugs).toEqual([]);
  });

  it('adds events to the counters of a shadow too, and warns if those are later', async () => {
    const copy = join(folder, 'copy');
    cpSync(run, copy, { recursive: true, verbatimSymlinks: true });
    const rows = [toRequest({ ...NEXT.at(-1)!, time: NEXT.at(-1)!.time + 60_000 })];
    for (const path of [copy, daily]) {
      const server = await serverOfTest({ paths: [run], canary: { kind: 'shadow', path, share: 0.5, keepMs: 1000 } });
      const [, shadow] = server.models.map(({ name }) => name);
      const before = await ask(server, rows);
      const late = { ...NEXT[0]!, time: LOG[0]!.time };
      expect((await post(server, '/events', (path === daily ? [NEXT[0]!] : NEXT).map(toEvent))).statusCode).toBe(200);
      const answers = await post(server, `/models/${shadow}/predict`, rows);
      if (path === copy) {
        expect(await ask(server, rows)).not.toEqual(before);
        expect(answers.json<{ predictions: unknown }>().predictions).toEqual([{ ctr: (await ask(server, rows))[0] }]);
        expect([server.notices, (await post(server, '/events', [toEvent(late)])).statusCode]).toEqual([[], 400]);
      } else expect(server.notices).toEqual([expect.stringContaining(`${shadow}: cannot add events: `)]);
    }
  });
});
