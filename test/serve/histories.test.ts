/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadModel, predict, train, type Row } from '../../src/index.js';
import { readHistories } from '../../src/trained-model/read-histories.js';
import { readTrainedModel } from '../../src/trained-model/trained-model.js';
import {
  drawEvents,
  drawRequests,
  EVENT_FEATURES,
  eventCsv,
  eventsBefore,
  requestCsv,
  type Request,
} from '../support/event-log.js';
import { scratchFolder } from '../support/scratch.js';
import { serverOfTest, type InjectedResponse, type TestServer } from '../support/served.js';

// A served model with event logs, against `mtl predict` on a file, and rows with the items that the test finds.

const CONFIG = `
data:
  train: train.csv
  valid: valid.csv
  sequences: { log: { file: events.csv, key: user, time: t, until: now } }
${EVENT_FEATURES}  recent:
    type: sequence
    fields: [{ name: log.item, target: item }]
    keep: { last: 2 }
    encoder: pooling
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [8] } }
training: { epochs: 2, batchSize: 64 }
`;
const EVENTS = drawEvents(400);
const REQUESTS = drawRequests(120, 2);
const OPTIONS = { device: 'cpu', threads: 1 } as const;

const folder = mkdtempSync(join(tmpdir(), 'mtl-served-histories-'));
const run = join(folder, 'run');
const longer = join(folder, 'longer');
let expected: number[];

/** Predicts requests of a file; returns the predictions in order. */
async function predictRequests(path: string, requests: readonly Request[]): Promise<number[]> {
  const [data, out] = [join(folder, 'rows.csv'), join(folder, 'out.csv')];
  writeFileSync(data, requestCsv(requests));
  await predict(path, { ...OPTIONS, data, out });
  return readFileSync(out, 'utf8').trimEnd().split('\n').slice(1).map(Number);
}

beforeAll(async () => {
  writeFileSync(join(folder, 'config.yaml'), CONFIG);
  writeFileSync(join(folder, 'events.csv'), eventCsv(EVENTS));
  writeFileSync(join(folder, 'train.csv'), requestCsv(drawRequests(400, 0)));
  writeFileSync(join(folder, 'valid.csv'), requestCsv(drawRequests(100, 1)));
  await train(join(folder, 'config.yaml'), { ...OPTIONS, runDir: run });
  await train(join(folder, 'config.yaml'), { ...OPTIONS, runDir: longer, set: ['training.batchSize=32'] });
  expected = await predictRequests(run, REQUESTS);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const toRow = ({ user, item, now }: Request): Row => ({ user, item, now });

/** Returns the items of a request among events as lists. */
function listsOf(request: Request, events = EVENTS): Row {
  const own = eventsBefore(events, request);
  return {
    'log.item': own.map(({ item }) => item),
    'log.price': own.map(({ price }) => price),
    'log.t': own.map(({ time }) => time),
  };
}

const withLists = (request: Request, events = EVENTS): Row => {
  const { item, now } = request;
  return { item, now, ...listsOf(request, events) };
};

const post = (server: TestServer, payload: object, query = ''): Promise<InjectedResponse> =>
  server.app.inject({ method: 'POST', url: `/predict${query}`, payload });
const ask = async (server: TestServer, payload: object): Promise<number[]> => {
  const response = await post(server, payload);
  return response.json<{ predictions: { ctr: number }[] }>().predictions.map(({ ctr }) => ctr);
};

/** Loads a model until the end of the test; returns a function that predicts rows. */
async function predictor(...args: Parameters<typeof loadModel>): Promise<(rows: readonly Row[]) => number[]> {
  const model = await loadModel(...args);
  onTestFinished(() => model.dispose());
  return (rows) => [...model.predict(rows)['ctr']!];
}

const rounded = (values: readonly number[]): number[] => values.map(Math.fround);

describe('mtl serve --histories', () => {
  it('answers rows with a key as mtl predict does, with several threads', async () => {
    const server = await serverOfTest({ paths: [run], workers: 3, histories: true });
    const requests = REQUESTS.map((request) => ask(server, { rows: [toRow(request)] }));
    expect((await Promise.all(requests)).flat()).toEqual(expected);
    // In one batch, and as tensors.
    expect(await ask(server, { rows: REQUESTS.map(toRow) })).toEqual(expected);
    const tensor = (name: 'user' | 'item' | 'now', datatype: string): object => ({
      name,
      datatype,
      shape: [REQUESTS.length],
      data: REQUESTS.map((request) => request[name]),
    });
    const inputs = [tensor('user', 'BYTES'), tensor('item', 'BYTES'), tensor('now', 'INT64')];
    const answer = await server.app.inject({ method: 'POST', url: '/v2/models/config/infer', payload: { inputs } });
    expect(answer.json<{ outputs: { data: number[] }[] }>().outputs[0]!.data).toEqual(expected);
    // Users differ.
    expect(new Set(expected).size).toBeGreaterThan(60);
    expect(server.bugs).toEqual([]);
  });

  it('prefers the items of a row, and mixes both kinds of rows', async () => {
    const server = await serverOfTest({ paths: [run], histories: true });
    const other = (r: number): Request => REQUESTS[(r + 7) % REQUESTS.length]!;
    const inline = REQUESTS.map((request, r) => ({ ...toRow(request), ...listsOf({ ...other(r), now: request.now }) }));
    const model = await predictor(run);
    const ofLists = model(inline);
    const rows = REQUESTS.map((request, r) => (r % 2 === 0 ? toRow(request) : inline[r]!));
    const found = rounded(await ask(server, { rows }));
    expect(found).toEqual(ofLists.map((value, r) => (r % 2 === 0 ? Math.fround(expected[r]!) : value)));
    // The lists matter.
    expect(ofLists).not.toEqual(rounded(expected));
    // No items are a list, too.
    const none = { 'log.item': [], 'log.price': null, 'log.t': [] };
    const emptied = await ask(server, { rows: REQUESTS.map((request) => ({ ...toRow(request), ...none })) });
    expect(rounded(emptied)).toEqual(model(REQUESTS.map((request) => ({ ...toRow(request), ...none }))));
  });

  it('gives keys without events no items, and counts their rows', async () => {
    const server = await serverOfTest({ paths: [run], histories: true });
    const rows = ['none', '', null, 'u1', 'u2'].map((user): Row => ({ user, item: 'a', now: 50 }));
    // Before the first event, a known user has no items either, and is not counted.
    const found = await ask(server, { rows: [...rows, { user: 'u1', item: 'a', now: 0 }] });
    const empty = (await predictor(run))([{ item: 'a', now: 50, 'log.item': [], 'log.price': [], 'log.t': [] }]);
    expect(rounded(found.slice(0, 3))).toEqual([empty[0], empty[0], empty[0]]);
    expect(rounded(found.slice(3, 5))).not.toContain(empty[0]);
    const { payload } = await server.app.inject('/metrics');
    expect(payload).toContain('mtl_null_values_total{model="config",column="log.item"} 3');
    expect(payload).toContain('mtl_null_values_total{model="config",column="log.t"} 3');
  });

  it('answers candidates of a user as those of a user with lists', async () => {
    const server = await serverOfTest({ paths: [run], histories: true });
    const model = await loadModel(run, { histories: true });
    onTestFinished(() => model.dispose());
    const request = REQUESTS.find((each) => eventsBefore(EVENTS, each).length > 6)!;
    const { user, now } = request;
    const candidates = ['a', 'b', 'c', 'e'].map((item): Row => ({ item }));
    const ofLists = [...model.rank({ now, ...listsOf(request) }, candidates)['ctr']!];
    expect([...model.rank({ user, now }, candidates)['ctr']!]).toEqual(ofLists);
    expect(rounded(await ask(server, { user: { user, now }, candidates }))).toEqual(ofLists);
    const ofRows = model.predict(candidates.map((candidate) => ({ user, now, ...candidate })))['ctr']!;
    for (const [c, value] of ofLists.entries()) expect(value).toBeCloseTo(ofRows[c]!, 6);
    expect(new Set(ofLists).size).toBe(4);
    expect([...model.rank({ user, now }, [])['ctr']!]).toEqual([]);
    // Times, keys or items of candidates.
    const times = [10, 30, 60];
    const timed = [
      ...model.rank(
        { user, item: 'a' },
        times.map((each) => ({ now: each })),
      )['ctr']!,
    ];
    const rows = times.map((each): Row => ({ user, item: 'a', now: each }));
    for (const [c, value] of model.predict(rows)['ctr']!.entries()) expect(timed[c]).toBeCloseTo(value, 6);
    expect(new Set(timed).size).toBe(3);
    const keyed = model.rank({ item: 'a', now }, [{ user }, { user: 'none' }, listsOf(request)])['ctr']!;
    const none = { user: 'none', item: 'a', now };
    const ofKeys = model.predict([{ user, item: 'a', now }, none, withLists({ ...request, item: 'a' })])['ctr']!;
    for (const [c, value] of ofKeys.entries()) expect(keyed[c]).toBeCloseTo(value, 6);
  });

  it('reads a file in place of that of the config', async () => {
    const events = EVENTS.slice(0, 100);
    const file = join(scratchFolder(), 'newer.csv');
    writeFileSync(file, eventCsv(events));
    const server = await serverOfTest({ paths: [run], histories: file });
    const found = await ask(server, { rows: REQUESTS.map(toRow) });
    const lists = REQUESTS.map((request) => withLists(request, events));
    expect(rounded(found)).toEqual((await predictor(run))(lists));
    expect(found).not.toEqual(expected);
  });

  it('reads the log again with a newer checkpoint, and keeps the current one if it cannot', async () => {
    const path = join(scratchFolder(), 'latest');
    const file = join(scratchFolder(), 'events.csv');
    writeFileSync(file, eventCsv(EVENTS));
    symlinkSync(run, path);
    const server = await serverOfTest({ paths: [path], histories: file });
    expect(await ask(server, { rows: REQUESTS.map(toRow) })).toEqual(expected);
    const point = (to: string): void => {
      rmSync(path);
      symlinkSync(to, path);
    };
    rmSync(file);
    point(longer);
    await server.reload();
    expect(server.notices).toEqual([expect.stringMatching(/still serving the current one: .*events\.csv/)]);
    expect(await ask(server, { rows: REQUESTS.map(toRow) })).toEqual(expected);
    const more = [...EVENTS, ...drawEvents(200, 5)];
    writeFileSync(file, eventCsv(more));
    await server.reload();
    const found = await ask(server, { rows: REQUESTS.map(toRow) });
    expect(rounded(found)).toEqual((await predictor(longer))(REQUESTS.map((request) => withLists(request, more))));
  });

  it('stores the log in memory that threads share, from files and from the cache', async () => {
    const cwd = scratchFolder();
    const file = join(cwd, 'events.csv');
    writeFileSync(file, eventCsv(EVENTS));
    const trained = await readTrainedModel(run);
    for (const source of ['file', 'cache']) {
      const logs = (await readHistories(trained, file))!;
      const buffers = new Map<ArrayBufferLike, boolean>();
      const visit = (value: unknown): void => {
        if (ArrayBuffer.isView(value)) buffers.set(value.buffer, value.buffer instanceof SharedArrayBuffer);
        else if (value instanceof Map) for (const each of value.values()) visit(each);
        else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
      };
      visit(logs);
      expect([source, new Set(buffers.values())]).toEqual([source, new Set([true])]);
      expect([...logs.values()].map(({ times }) => times.length)).toEqual([EVENTS.length]);
    }
  });
});

describe('a row with a key, for a model with event logs', () => {
  it('is invalid without the key or a valid time, with the fix', async () => {
    const server = await serverOfTest({ paths: [run], histories: true });
    const lists = '"log.item", "log.price", "log.t" as lists';
    const cases: readonly (readonly [row: Row, problem: object])[] = [
      [
        { item: 'a', now: 3 },
        {
          key: 'column "user"',
          message: 'is missing',
          fix: `add it, whose events in 'log' are its history; or add ${lists}`,
        },
      ],
      [
        { user: 'u1', item: 'a' },
        {
          key: 'column "now"',
          message: 'is missing',
          fix: `add it, in the unit of the times of 'log', which are neither dates nor Unix seconds; or add ${lists}`,
        },
      ],
      [
        { user: 'u1', item: 'a', now: 'soon' },
        {
          key: 'column "now"',
          message: 'expected a time: a number, or a date and time in ISO 8601, found "soon"',
          fix: 'correct the row',
        },
      ],
      [
        { user: 'u1', item: 'a', now: null },
        {
          key: 'column "now"',
          message: 'expected a time: a number, or a date and time in ISO 8601, found null',
          fix: 'correct the row',
        },
      ],
      // Some of the items are an error, whether or not there is a key.
      [
        { user: 'u1', item: 'a', now: 3, 'log.item': [], 'log.t': [] },
        {
          key: 'column "log.price"',
          message: 'is missing',
          fix: 'add it, as null if its value is missing, or set onMissing to oov',
        },
      ],
    ];
    for (const [row, problem] of cases) {
      const response = await post(server, { rows: [{ user: 'u1', item: 'a', now: 3 }, row] });
      expect([response.statusCode, response.json<{ problems: unknown }>().problems]).toEqual([
        400,
        [{ where: 'rows[1]', ...problem }],
      ]);
    }
    const ranked = await post(server, { user: { now: 3 }, candidates: [{ item: 'a' }, { item: 'b' }] });
    expect(ranked.json<{ problems: unknown }>().problems).toEqual([{ where: 'user', ...cases[0]![1] }]);
    const skipped = await post(server, { rows: cases.map(([row]) => row) }, '?onBadRow=skip');
    expect(skipped.json<{ predictions: unknown }>().predictions).toEqual(cases.map(() => null));
    // A missing column is null: of the key, which has no items, but not of the time.
    const lenient = await post(server, { rows: [{ item: 'a', now: 3 }] }, '?onMissing=oov');
    const empty = (await predictor(run))([{ item: 'a', now: 3, 'log.item': [], 'log.price': [], 'log.t': [] }]);
    expect(lenient.json<{ predictions: { ctr: number }[] }>().predictions.map(({ ctr }) => Math.fround(ctr))).toEqual(
      empty,
    );
    expect((await post(server, { rows: [{ user: 'u1', item: 'a' }] }, '?onMissing=oov')).statusCode).toBe(400);
  });

  it('is as of now without a time, if times are dates or Unix seconds', async () => {
    const start = Date.UTC(2026, 10, 1) / 1000;
    const file = join(scratchFolder(), 'dated.csv');
    const dated = EVENTS.map((event) => ({ ...event, time: start + 3600 * event.time }));
    const lines = dated.map(({ user, time, item, price }) => [user, new Date(1000 * time).toISOString(), item, price]);
    writeFileSync(file, ['user,t,item,price', ...lines.map((line) => line.join(',')), ''].join('\n'));
    const model = await predictor(run, { histories: file });
    const now = start + 3600 * 30;
    vi.spyOn(Date, 'now').mockReturnValue(1000 * now);
    const requests = REQUESTS.map((request) => ({ ...request, now }));
    const found = model(requests.map(({ user, item }) => ({ user, item })));
    expect(found).toEqual((await predictor(run))(requests.map((request) => withLists(request, dated))));
    expect(found).toEqual(model(requests.map(({ user, item }) => ({ user, item, now: new Date(1000 * now) }))));
    expect(found).not.toEqual(model(requests.map(({ user, item }) => ({ user, item, now: start + 3600 * 20 }))));
  });

  it('is explained with all of its events', async () => {
    const [logged, listed] = [await loadModel(run, { histories: true }), await loadModel(run)];
    const request = REQUESTS.find((each) => eventsBefore(EVENTS, each).length > 9)!;
    const explained = logged.explain(toRow(request));
    expect(explained).toEqual(listed.explain(withLists(request)));
    expect(explained.sequences[0]!.dropped).toBe(eventsBefore(EVENTS, request).length - 6);
    // The key and the time of the log are inputs, and lists are optional.
    expect(logged.inputs).toEqual([
      { name: 'item', holds: 'text' },
      { name: 'log.item', holds: 'bag', isAligned: true, isOptional: true },
      { name: 'log.price', holds: 'bag', isAligned: true, isOptional: true },
      { name: 'log.t', holds: 'bag', isAligned: true, isOptional: true },
      { name: 'now', holds: 'text' },
      { name: 'user', holds: 'text', isOptional: true },
    ]);
    for (const model of [logged, listed]) model.dispose();
  });

  it('requires an event log that can be read, of a model that has one', async () => {
    const cwd = scratchFolder();
    const load = async (histories: boolean | string, path = run): Promise<string> =>
      loadModel(path, { histories }).then(
        () => 'loaded',
        (error: unknown) => (error as Error).message,
      );
    const file = join(cwd, 'events.csv');
    expect(await load(file)).toBe(
      `${file}: data.sequences.log: no such file; correct the path, or name the file of the events in the option`,
    );
    writeFileSync(file, 'user,t,item\nu1,3,a\n');
    expect(await load(file)).toMatch(
      /events\.csv:1: column "price": is used by the config, but is not in the header; use /,
    );
    writeFileSync(file, 'user,t,item,price\nu1,3,a,2\nu1,later,a,2\n');
    expect(await load(file)).toMatch(/events\.csv:3.*"?t"?.*expected a time.*"later"/);

    const plain = CONFIG.replace(/  sequences: .*\n/, '').replace(/  (clicks|recent):[^]*?encoder: .*\n/g, '');
    writeFileSync(join(folder, 'plain.yaml'), plain);
    const without = join(cwd, 'without');
    await train(join(folder, 'plain.yaml'), { ...OPTIONS, runDir: without });
    expect(await load(true, without)).toMatch(
      /histories: expected event logs in data\.sequences of the config, found 0; remove the option$/,
    );

    const second = 'events: { file: events.csv, key: user, time: t, until: now }';
    const several = CONFIG.replace('log: { file', `${second}, log: { file`)
      .replace('      - { name: log.price, scaling: standard }\n', '')
      .replace('fields: [{ name: log.item, target: item }]', 'fields: [{ name: events.price, scaling: standard }]');
    writeFileSync(join(folder, 'several.yaml'), several);
    const both = join(cwd, 'both');
    await train(join(folder, 'several.yaml'), { ...OPTIONS, runDir: both });
    expect(await load(file, both)).toMatch(
      /histories: expected one event log in .*, found 2; remove the file from the option, to read those of the config$/,
    );
    const model = await predictor(both, { histories: true });
    expect(rounded(await predictRequests(both, REQUESTS))).toEqual(model(REQUESTS.map(toRow)));
  });

  it('is refused if features clean the items in different ways', async () => {
    const cleaned = CONFIG.replace('  recent:\n    type: sequence\n', "$&    nullValues: ['b']\n");
    writeFileSync(join(folder, 'cleaned.yaml'), cleaned);
    const path = join(scratchFolder(), 'cleaned');
    await train(join(folder, 'cleaned.yaml'), { ...OPTIONS, runDir: path });
    await expect(loadModel(path, { histories: true })).rejects.toThrow(
      'histories: column "log.item": is read by features with different nullValues or trim; ' +
        'train with the same ones for all of them, or send the items of events with each row',
    );
  });
});
