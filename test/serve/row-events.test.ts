/** @module-tag long */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadModel, predict, type Model, type Row } from '../../src/index.js';
import { pointLink } from '../../src/io/links.js';
import { readChain } from '../../src/runs/delta.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import {
  BATCH_ROWS,
  drawShown,
  followClicks,
  SHOWN_LAST,
  withClicks,
  writeClickedStream,
  type Shown,
} from '../support/clicked-stream.js';
import { JOINED_CONFIG, joinedDay, LAST, writeJoinedStream } from '../support/history-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { serverOfTest, type TestServer } from '../support/served.js';

// Answers with the events of a checkpoint, against rows with the items that the test finds.

const ROWS = drawShown(40 * BATCH_ROWS);
/** After all rows. */
const NOW = ROWS.at(-1)!.at + 60;
const REQUESTS = Array.from({ length: 30 }, (_, i) => ({ user: `u${i % 13}`, item: `i${i % 15}`, at: NOW }));
const OPTIONS = { device: 'cpu', threads: 1 } as const;

/** A record of a joined log. */
interface JoinedRow {
  readonly id: string;
  readonly at: number;
  readonly user: string;
  readonly item: string;
}

const folder = mkdtempSync(join(tmpdir(), 'mtl-row-events-'));
const trained = join(folder, 'trained');
/** Names of checkpoints, the oldest first. */
let names: readonly string[];

beforeAll(async () => {
  await followClicks(writeClickedStream(folder, ROWS), trained);
  names = (await listCheckpoints(trained)).toReversed();
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pathOf = (name: string): string => join(trained, 'checkpoints', name);
/** The rows that a checkpoint was trained on. */
const seenBy = (name: string): readonly Shown[] => ROWS.slice(0, BATCH_ROWS * Number(/\d+/.exec(name)![0]));

async function modelOf(path: string): Promise<Model> {
  const model = await loadModel(path);
  onTestFinished(() => model.dispose());
  return model;
}

/** Predictions of requests by a checkpoint, with the items that the test finds. */
async function expectedOf(name: string): Promise<readonly number[]> {
  const { ctr } = (await modelOf(pathOf(name))).predict(REQUESTS.map((row) => withClicks(seenBy(name), row)));
  return [...ctr!];
}

async function ask(server: TestServer, payload: object): Promise<readonly number[]> {
  const response = await server.app.inject({ method: 'POST', url: '/predict', payload });
  expect([response.statusCode, response.statusCode === 200 ? '' : response.payload]).toEqual([200, '']);
  return response.json<{ predictions: { ctr: number }[] }>().predictions.map(({ ctr }) => Math.fround(ctr));
}

const lastName = (): string => names.at(-1)!;

describe('a model that was trained on a stream with events among its rows', () => {
  it('is served with the events of each delta', { timeout: 120_000 }, async () => {
    const run = join(scratchFolder(), 'run');
    const publish = async (name: string): Promise<void> => {
      cpSync(pathOf(name), join(run, 'checkpoints', name), { recursive: true });
      await pointLink(join(run, 'checkpoints', 'last'), name);
    };
    await publish(names[0]!);
    const server = await serverOfTest({ paths: [run], isLast: true, reloadMs: 20, workers: 2 });
    let [deltas, changed] = [0, 0];
    for (const [n, name] of names.entries()) {
      await publish(name);
      if ((await readChain(pathOf(name))).deltas.length > 0) deltas++;
      while (server.models[0]!.version !== String(Number(/\d+/.exec(name)![0]))) await wait(5);
      const expected = await expectedOf(name);
      expect(await ask(server, { rows: REQUESTS })).toEqual(expected);
      // Without the events since the checkpoint before, answers differ.
      const before = seenBy(names[Math.max(0, n - 1)]!);
      const { ctr } = (await modelOf(pathOf(name))).predict(REQUESTS.map((row) => withClicks(before, row)));
      if ([...ctr!].some((value, i) => value !== expected[i])) changed++;
    }
    expect(deltas).toBeGreaterThan(5);
    expect(changed).toBe(names.length - 1);
    // No checkpoint was loaded whole: deltas, and the updates of full ones, have the events.
    expect(server.notices).toEqual([]);
    expect(server.bugs).toEqual([]);
    // A server that starts now has the same events.
    const other = await serverOfTest({ paths: [run], isLast: true });
    expect(await ask(other, { rows: REQUESTS })).toEqual(await expectedOf(lastName()));
  });

  it('is loaded with the events of its checkpoint', async () => {
    for (const name of [names[1]!, lastName()]) {
      const model = await modelOf(pathOf(name));
      expect([...model.predict(REQUESTS)['ctr']!]).toEqual(await expectedOf(name));
    }
    const model = await modelOf(pathOf(lastName()));
    expect(model.inputs.filter(({ isOptional }) => isOptional === true).map(({ name }) => name)).toEqual([
      'at',
      'clicks.item',
      'clicks.price',
      'clicks.at',
      'user',
    ]);
    // Lists of a row replace its events; a time before some events hides them.
    const ofLists = REQUESTS.map((row): Row => ({ user: 'u3', ...withClicks(ROWS.slice(0, 200), row) }));
    const unkeyed = ofLists.map((row) => ({ ...row, user: undefined }));
    expect(model.predict(ofLists)).toEqual(model.predict(unkeyed));
    // Rows of one time have one click at most, and the newest one does not count.
    const kept = ROWS.filter(({ user, click }) => user === 'u3' && click === 1).slice(-SHOWN_LAST - 1);
    const row = { user: 'u3', item: 'i1', at: kept.at(-2)!.at };
    expect(model.predict([row])).toEqual(model.predict([withClicks(kept, row)]));
    // A row without a time is as of now, after all events but at another age.
    expect(model.predict([{ user: 'u3', item: 'i1' }])['ctr']![0]).toBeGreaterThan(0);
    expect(() => model.predict([{ item: 'i1', at: NOW }])).toThrow(/"user".*is missing.*whose events in 'clicks'/);
  });

  it('ranks candidates with the events of their user', async () => {
    const server = await serverOfTest({ paths: [trained], isLast: true, workers: 2 });
    const model = await modelOf(pathOf(lastName()));
    const user = { user: 'u5', at: NOW };
    const candidates = ['i1', 'i2', 'i3', 'i4'].map((item) => ({ item }));
    const lists = Object.fromEntries(
      Object.entries(withClicks(ROWS, { ...user, item: '' })).filter(([name]) => name !== 'item'),
    );
    const expected = [...model.rank(lists, candidates)['ctr']!];
    expect([...model.rank(user, candidates)['ctr']!]).toEqual(expected);
    // In one bundle with rows, and with candidates of another user.
    const answers = await Promise.all([
      ask(server, { user, candidates }),
      ask(server, { rows: REQUESTS }),
      ask(server, { user: { ...user, user: 'u6' }, candidates }),
      ask(server, {
        user: { at: NOW },
        candidates: [
          { user: 'u5', item: 'i1' },
          { user: 'u6', item: 'i1' },
        ],
      }),
    ]);
    expect(answers[0]).toEqual(expected);
    expect(answers[1]).toEqual(await expectedOf(lastName()));
    expect(answers[2]).not.toEqual(expected);
    expect(answers[3][0]).toBeCloseTo(expected[0]!, 6);
    expect(answers[3][1]).toBeCloseTo(answers[2][0]!, 6);
    expect(server.bugs).toEqual([]);
  });

  it('refuses rows whose events are unknown, with the place of each', async () => {
    const server = await serverOfTest({ paths: [trained], isLast: true });
    const payload = { rows: [REQUESTS[0], { item: 'i1', at: NOW }, { user: 'u1', item: 'i1', at: 'soon' }] };
    const response = await server.app.inject({ method: 'POST', url: '/predict', payload });
    expect(response.statusCode).toBe(400);
    const { problems } = response.json<{ problems: { where: string; key: string }[] }>();
    expect(problems.map(({ where, key }) => [where, key])).toEqual([
      ['rows[1]', 'column "user"'],
      ['rows[2]', 'column "at"'],
    ]);
    const none = { user: { at: NOW }, candidates: [{ item: 'i1' }] };
    const ranked = await server.app.inject({ method: 'POST', url: '/predict', payload: none });
    expect(ranked.json<{ problems: { where: string }[] }>().problems.map(({ where }) => where)).toEqual(['user']);
    const skipped = await server.app.inject({ method: 'POST', url: '/predict?onBadRow=skip', payload });
    const { predictions } = skipped.json<{ predictions: unknown[] }>();
    expect(predictions.map((each) => each === null)).toEqual([false, true, true]);
  });

  it('answers rows that lack counters and events', async () => {
    const cwd = scratchFolder();
    const run = join(cwd, 'run');
    const rows = ROWS.slice(0, 10 * BATCH_ROWS);
    const count = '{ item_clicks: { by: item, of: click, within: 1h } }';
    const set = [
      `data.counters={ time: at, format: seconds, tolerance: 0s, count: ${count} }`,
      'features.popular={ type: numeric, fields: [item_clicks], scaling: log1p }',
    ];
    await followClicks(writeClickedStream(cwd, rows), run, { set });
    const requests = REQUESTS.map((row) => ({ ...row, at: rows.at(-1)!.at + 60 }));
    const model = await modelOf(run);
    const expected = [...model.predict(requests.map((row) => withClicks(rows, row)))['ctr']!];
    expect([...model.predict(requests)['ctr']!]).toEqual(expected);
    const server = await serverOfTest({ paths: [run], isLast: true, workers: 2 });
    expect(await ask(server, { rows: requests })).toEqual(expected);
    // Counters alone, events alone, and neither.
    const counted = requests.map((row) => ({ ...row, item_clicks: 3 }));
    const both = counted.map((row) => ({ ...withClicks(rows, row), item_clicks: 3 }));
    expect(await ask(server, { rows: requests.map((row) => withClicks(rows, row)) })).toEqual(expected);
    expect(await ask(server, { rows: counted })).toEqual([...model.predict(both)['ctr']!]);
    expect(await ask(server, { rows: both })).toEqual([...model.predict(both)['ctr']!]);
    expect([...model.predict(both)['ctr']!]).not.toEqual(expected);
  });

  it('has the events of a join', { timeout: 120_000 }, async () => {
    const cwd = scratchFolder();
    const { logs } = joinedDay(3000);
    const run = join(cwd, 'run');
    await followClicks(writeJoinedStream(cwd, JOINED_CONFIG, logs), run);
    const rowOf = new Map(logs.rows.map(({ text }) => JSON.parse(text) as JoinedRow).map((row) => [row.id, row]));
    // A click counts within a minute of its row. Clicks are in order of time.
    const clicks = logs.clicks.flatMap(({ at, text }) => {
      const row = rowOf.get((JSON.parse(text) as JoinedRow).id)!;
      return at <= row.at + 60 ? [{ ...row, clicked: at }] : [];
    });
    const at = 6000;
    const requests = Array.from({ length: 40 }, (_, i) => ({ user: `u${i + 20}`, item: `i${i % 30}`, at }));
    const lists = requests.map((row): Row => {
      const own = clicks.filter(({ user }) => user === row.user).slice(-LAST);
      return { ...row, 'clicks.item': own.map(({ item }) => item), 'clicks.click_time': own.map((e) => e.clicked) };
    });
    const model = await modelOf(run);
    const expected = [...model.predict(lists)['ctr']!];
    expect([...model.predict(requests)['ctr']!]).toEqual(expected);
    const server = await serverOfTest({ paths: [run], isLast: true });
    expect(await ask(server, { rows: requests })).toEqual(expected);
    const [data, out] = [join(cwd, 'rows.jsonl'), join(cwd, 'out.csv')];
    writeFileSync(data, requests.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await predict(run, { ...OPTIONS, data, out });
    const found = readFileSync(out, 'utf8').trimEnd().split('\n').slice(1);
    expect(found.map((line) => Math.fround(Number(line.split(',')[0])))).toEqual(expected);
    // Times are seconds since the start of the day.
    expect(() => model.predict([{ user: 'u30', item: 'i1' }])).toThrow(/"at".*is missing/);
  });

  it('predicts rows of files with the events of its checkpoint', async () => {
    const [data, out] = [join(folder, 'rows.csv'), join(folder, 'out.csv')];
    writeFileSync(
      data,
      ['user,item,at', ...REQUESTS.map(({ user, item, at }) => `${user},${item},${at}`), ''].join('\n'),
    );
    for (const name of [names[2]!, lastName()]) {
      await predict(pathOf(name), { ...OPTIONS, data, out });
      const found = readFileSync(out, 'utf8').trimEnd().split('\n').slice(1);
      expect(found.map((value) => Math.fround(Number(value)))).toEqual(await expectedOf(name));
    }
  });
});
