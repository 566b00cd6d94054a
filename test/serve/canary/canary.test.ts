/** @module-tag long */
import { cpSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadModel, train, type Row } from '../../../src/index.js';
import { drawRecorded, report as writeReport } from '../../../src/report.js';
import type { CanaryReport, JoinedOutcomes } from '../../../src/serve/canary/canary-report.js';
import type { CanaryOptions } from '../../../src/serve/canary/options.js';
import {
  computeFigures,
  createUniform,
  drawLabels,
  mean,
  rowLoss,
  scored,
  standardError,
  type Labels,
  type Predicted,
} from '../../support/live-oracle.js';
import { promoteRun } from '../../support/promote-run.js';
import { servedWorld, serverOfTest, startServer, type TestServer } from '../../support/served.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-canary-'));
const [other, twin] = [join(folder, 'runs', 'other'), join(folder, 'runs', 'twin')];
const LINK = join(folder, 'runs', 'channels', 'prod');
let world: Awaited<ReturnType<typeof servedWorld>>;

beforeAll(async () => {
  world = await servedWorld(folder);
  // Predictions that clearly differ from those of the present model.
  await train(world.config, {
    runDir: other,
    device: 'cpu',
    threads: 1,
    set: [
      'training.batchSize=32',
      'training.optimizer.dense.learningRate=0.03',
      'training.optimizer.embeddings.learningRate=0.03',
    ],
  });
  cpSync(world.run, twin, { recursive: true, verbatimSymlinks: true });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => void vi.stubEnv('MTL_RUNS', join(folder, 'runs')));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(join(folder, 'runs', 'channels'), { recursive: true, force: true });
});

const history = (): readonly Record<string, unknown>[] =>
  readFileSync(`${LINK}.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The other run below `MTL_RUNS`: its path decides who gets the canary, so it is the same in each test run. */
const OTHER = 'runs/other';
/** Starts a server of the first run with another one. */
const comparing = (canary: Partial<CanaryOptions>, path = world.run): Promise<TestServer> =>
  serverOfTest({ paths: [path], canary: { kind: 'canary', path: OTHER, share: 0.5, keepMs: 60_000, ...canary } });

interface Answer {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly Predicted[];
}
async function ask(server: TestServer, rows: readonly Row[], id?: string): Promise<Answer> {
  const headers = id === undefined ? {} : { 'x-request-id': id };
  const response = await server.app.inject({ method: 'POST', url: '/predict', payload: { rows }, headers });
  expect(response.statusCode).toBe(200);
  const answer = response.json<Omit<Answer, 'id'>>();
  const predictions = answer.predictions.map(({ ctr, cvr, ctcvr }): Predicted => ({
    ctr: Math.fround(ctr),
    cvr: Math.fround(cvr),
    ctcvr: Math.fround(ctcvr),
  }));
  return { ...answer, predictions, id: response.headers['x-request-id'] as string };
}
const send = (server: TestServer, outcomes: unknown) =>
  server.app.inject({ method: 'POST', url: '/outcomes', payload: { outcomes } });
const sendLabels = async (server: TestServer, id: string, labels: Labels): Promise<JoinedOutcomes> =>
  (await send(server, [{ id, labels }])).json<JoinedOutcomes>();
const report = async (server: TestServer): Promise<CanaryReport> =>
  (await server.app.inject('/canary')).json<CanaryReport>();
const metrics = async (server: TestServer): Promise<string> => (await server.app.inject('/metrics')).body;

/** Predictions of a run in this process. */
async function predictWith(run: string, rows: readonly Row[]): Promise<readonly Predicted[]> {
  const model = await loadModel(run);
  const { ctr, cvr, ctcvr } = model.predict(rows);
  model.dispose();
  return rows.map((_, row) => ({ ctr: ctr![row]!, cvr: cvr![row]!, ctcvr: ctcvr![row]! }));
}
function expectClose(found: unknown, expected: Readonly<Record<string, number>>): void {
  // Losses clip and round differently in the last digits of float64.
  const close = Object.entries(expected).map(([name, value]) => [name, expect.closeTo(value, 9) as number]);
  expect(found).toEqual(Object.fromEntries(close));
}
const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await wait(10);
};

describe('mtl serve --canary', () => {
  it('answers each request by one model, which it names with an id, always the same for one user', async () => {
    const server = await comparing({ shareBy: '101' });
    const expected = {
      small: await predictWith(world.run, world.rows),
      'small-canary': await predictWith(other, world.rows),
    };
    const modelOf = new Map<unknown, string>();
    for (const [i, row] of world.rows.slice(0, 60).entries()) {
      const answer = await ask(server, [row]);
      expect(answer.predictions).toEqual([expected[answer.model as 'small'][i]]);
      expect(answer.version).toBe(answer.model === 'small' ? '10' : '19');
      expect(modelOf.get(row['101']) ?? answer.model).toBe(answer.model);
      modelOf.set(row['101'], answer.model);
    }
    expect(new Set(modelOf.values())).toEqual(new Set(['small', 'small-canary']));
    const [a, b] = [await ask(server, world.rows, 'mine'), await ask(server, world.rows)];
    expect([a.id, /^[\w-]{36}$/.test(b.id)]).toEqual(['mine', true]);
    expect(await metrics(server)).toMatch(/mtl_model_step\{model="small-canary"\} 19\n/);
  });

  it('joins labels with predictions exactly, and measures each model on its rows', async () => {
    const server = await comparing({});
    const uniform = createUniform(7);
    const answers = {
      small: [] as [readonly Predicted[], Labels][],
      'small-canary': [] as [readonly Predicted[], Labels][],
    };
    for (let i = 0; i < 8; i++) {
      const rows = world.rows.slice(25 * i, 25 * (i + 1));
      const { id, model, predictions } = await ask(server, rows, `joined-${i}`);
      const labels = drawLabels(await predictWith(world.run, rows), uniform);
      expect(await sendLabels(server, id, labels)).toEqual({
        joined: 1,
        rows: 25,
        repeated: [],
        expired: [],
        unknown: [],
        unpaired: [],
      });
      answers[model as 'small'].push([predictions, labels]);
    }
    const { figures, counts } = await report(server);
    expect(counts.joined).toBe(8);
    for (const output of ['ctr', 'cvr', 'ctcvr'] as const) {
      const [present, candidate] = [
        computeFigures(scored(answers.small, output)),
        computeFigures(scored(answers['small-canary'], output)),
      ];
      expect(present.rows).toBeGreaterThan(10);
      expectClose(figures.present[output], present);
      expectClose(figures.candidate[output], candidate);
      const errors = (['small', 'small-canary'] as const).map((model) =>
        standardError(scored(answers[model], output).map(rowLoss)),
      );
      const half = 1.959963984540054 * Math.hypot(...errors);
      const difference = candidate.logLoss - present.logLoss;
      const found = figures.differences.find((each) => each.output === output && each.metric === 'logLoss');
      expect(found!.low).toBeCloseTo(difference - half, 9);
      expect(found!.high).toBeCloseTo(difference + half, 9);
    }
    const path = await writeReport({ runs: [other], out: join(folder, 'live.html'), server: { url: server.url } });
    const page = readFileSync(path, 'utf8');
    expect(page).toContain('other: running</strong>');
    const { auc } = figures.candidate['ctcvr']!;
    expect(page).toContain(`<td>${figures.present['ctcvr']!['auc']!.toFixed(4)}</td><td>${auc!.toFixed(4)}</td>`);
    const text = await metrics(server);
    const value = (line: string): number => Number(new RegExp(`^${line} (.*)$`, 'm').exec(text)?.[1]);
    expect(value('mtl_live_value\\{model="small-canary",output="ctcvr",value="logLoss"\\}')).toBeCloseTo(
      figures.candidate['ctcvr']!['logLoss']!,
      12,
    );
    expect(value('mtl_outcomes_total\\{model="small",result="joined"\\}')).toBe(8);
  });

  it('counts repeated, unknown and expired ids, and joins nothing of invalid outcomes', async () => {
    const startMs = 1_800_000_000_000;
    vi.useFakeTimers({ toFake: ['Date'], now: startMs });
    onTestFinished(() => void vi.useRealTimers());
    const server = await comparing({ keepMs: 60_000 });
    const rows = world.rows.slice(0, 2);
    const labels = [
      { click: 1, purchase: 0 },
      { click: 0, purchase: 0 },
    ];
    const { id } = await ask(server, rows);
    const invalid: readonly [unknown, string][] = [
      [[{ id, labels: labels.slice(1) }], 'outcomes[0].labels: expected 2 rows, as the request had, found 1'],
      [[{ id, labels: [labels[0], { click: 2 }] }], 'outcomes[0].labels[1]: column "click": expected 0 or 1, found 2'],
      [[{ id, label: labels }], 'outcomes[0]: label: unknown key; expected id, labels'],
      [[{ id: 7, labels }], 'outcomes[0].id: expected a string, found 7'],
    ];
    for (const [outcomes, message] of invalid) {
      const response = await send(server, outcomes);
      expect([response.statusCode, response.json<{ error: string }>().error]).toEqual([
        400,
        expect.stringContaining(message),
      ]);
    }
    const late = await ask(server, rows);
    expect(await sendLabels(server, id, labels)).toMatchObject({ joined: 1, rows: 2 });
    expect(await sendLabels(server, id, labels)).toMatchObject({ joined: 0, rows: 0, repeated: [id] });
    expect(await sendLabels(server, 'none', labels)).toMatchObject({ joined: 0, unknown: ['none'] });
    vi.setSystemTime(startMs + 60_001);
    expect(await sendLabels(server, late.id, labels)).toMatchObject({ joined: 0, expired: [late.id] });
    expect((await report(server)).counts).toMatchObject({
      joined: 1,
      repeated: 1,
      unknown: 1,
      expired: 1,
      unlabeled: 1,
    });
    const bad = await server.app.inject({
      method: 'POST',
      url: '/predict',
      payload: { rows },
      headers: { 'x-request-id': 'two words' },
    });
    expect(bad.statusCode).toBe(400);
  });

  it('does not route requests that name a version or the canary, and answers as without one', async () => {
    const server = await comparing({ share: 0.99 });
    const payload = { rows: world.rows.slice(0, 3) };
    const named = await server.app.inject({ method: 'POST', url: '/models/small-canary/predict', payload });
    expect([named.json<Answer>().model, named.headers['x-request-id']]).toEqual(['small-canary', undefined]);
    const invalid = await server.app.inject({ method: 'POST', url: '/predict', payload: { rows: [{}] } });
    expect(invalid.statusCode).toBe(400);
    expect((await report(server)).waiting).toBe(0);
  });

  it('follows its own run during reloads, and ends if it becomes the present model', async () => {
    const [present, canary] = [join(folder, 'present'), join(folder, 'second')];
    symlinkSync(world.run, present);
    symlinkSync(other, canary);
    const server = await comparing({ path: canary }, present);
    const { id } = await ask(server, world.rows.slice(0, 2));
    rmSync(canary);
    symlinkSync(twin, canary);
    await server.reload();
    expect(server.notices.at(-1)).toBe('small-canary: compared from the start, since a model is of another run');
    expect(await report(server)).toMatchObject({ state: 'running', candidate: { version: '10' }, waiting: 0 });
    expect(await sendLabels(server, id, [])).toMatchObject({ unknown: [id] });
    rmSync(present);
    symlinkSync(twin, present);
    await server.reload();
    expect(await report(server)).toMatchObject({ state: 'ended' });
    expect(server.models.map(({ name }) => name)).toEqual(['small']);
    expect((await ask(server, world.rows.slice(0, 1))).model).toBe('small');
    expect(server.bugs).toEqual([]);
  });
});

describe('a canary whose present checkpoint is removed', () => {
  it('is compared with another run all the same', async () => {
    const [present, canary] = [join(folder, 'removed'), join(folder, 'third')];
    cpSync(world.run, present, { recursive: true, verbatimSymlinks: true });
    symlinkSync(other, canary);
    const server = await comparing({ path: canary }, present);
    rmSync(join(present, 'checkpoints'), { recursive: true });
    rmSync(canary);
    symlinkSync(twin, canary);
    await server.reload();
    expect(await report(server)).toMatchObject({ state: 'running', candidate: { version: '10' } });
    expect(server.bugs).toEqual([]);
  });
});

describe('mtl serve --shadow', () => {
  it('leaves answers bitwise unchanged, and pairs the predictions of both models', async () => {
    const [plain, server] = [await serverOfTest({ paths: [world.run] }), await comparing({ kind: 'shadow' })];
    const uniform = createUniform(11);
    const pairs: { present: readonly Predicted[]; candidate: readonly Predicted[]; labels: Labels }[] = [];
    for (let i = 0; i < 4; i++) {
      const rows = world.rows.slice(50 * i, 50 * (i + 1));
      const [before, after] = await Promise.all(
        [plain, server].map(({ app }) => app.inject({ method: 'POST', url: '/predict', payload: { rows } })),
      );
      expect(after!.body).toBe(before!.body);
      const id = after!.headers['x-request-id'] as string;
      const [present, candidate] = [await predictWith(world.run, rows), await predictWith(other, rows)];
      const labels = drawLabels(present, uniform);
      expect(await sendLabels(server, id, labels)).toMatchObject({ joined: 1, rows: 50 });
      pairs.push({ present, candidate, labels });
    }
    const { figures } = await report(server);
    const [a, b] = (['present', 'candidate'] as const).map((side) =>
      scored(
        pairs.map((pair): [readonly Predicted[], Labels] => [pair[side], pair.labels]),
        'ctcvr',
      ),
    );
    expectClose(figures.present['ctcvr'], computeFigures(a!));
    expectClose(figures.candidate['ctcvr'], computeFigures(b!));
    const changes = a!.map((row, i) => rowLoss(b![i]!) - rowLoss(row));
    const found = figures.differences.find(({ output, metric }) => output === 'ctcvr' && metric === 'logLoss')!;
    expect(found.low).toBeCloseTo(mean(changes) - 1.959963984540054 * standardError(changes), 9);
    expect(found.high).toBeCloseTo(mean(changes) + 1.959963984540054 * standardError(changes), 9);
  });
});

describe('the rule of a canary', () => {
  const rule = { metric: 'ctcvr.logLoss', after: 500, confidence: 0.95 };

  const MAX_REQUESTS = 60;

  /** Sends requests whose labels are drawn from the predictions of a run, until the rule has decided. */
  async function feed(server: TestServer, truth: string): Promise<void> {
    const rows = [world.rows, world.rows, world.rows, world.rows, world.rows].flat();
    const probabilities = await predictWith(truth, rows);
    const uniform = createUniform(5);
    for (let i = 0; i < MAX_REQUESTS && (await report(server)).state === 'running'; i++) {
      const { id } = await ask(server, rows, `request-${i}`);
      await send(server, [{ id, labels: drawLabels(probabilities, uniform) }]);
    }
  }

  it('promotes a canary that is better, with its figures in the history of the channel', async () => {
    await promoteRun(world.run);
    const server = await comparing({ rule }, 'runs/channels/prod');
    await feed(server, other);
    await until(async () => (await report(server)).state !== 'running' && server.models[0]!.version === '19');
    expect(readlinkSync(LINK)).toBe('../other');
    const { state, looks } = await report(server);
    const { difference, rows, confidence } = looks.at(-1)!;
    expect(state).toBe('promoted');
    // Both reports have what the channel has recorded.
    for (const run of [other, world.run]) {
      const { sections } = drawRecorded([run]);
      const { markup } = sections.find(({ title }) => title === 'Live comparison')!.body;
      expect(markup).toContain('runs/other: promoted</strong>');
      expect(markup).toContain(
        `−${Math.abs(difference.low!).toFixed(4)} … −${Math.abs(difference.high!).toFixed(4)}</td>`,
      );
    }
    expect(history()).toEqual([
      expect.objectContaining({ reason: 'first' }),
      expect.objectContaining({
        run: 'other',
        over: '../run',
        reason: 'better',
        gate: {
          metric: 'ctcvr.logLoss',
          goal: 'lower',
          confidence,
          margin: 0,
          data: null,
          split: 'live',
          rows,
          present: difference.a,
          candidate: difference.b,
          difference: difference.difference,
          low: difference.low,
          high: difference.high,
        },
        live: { kind: 'canary', share: 0.5, looks, figures: expect.objectContaining({ confidence: 0.95 }) as object },
      }),
    ]);
    expect(difference.high).toBeLessThan(0);
    expect(rows).toBeGreaterThanOrEqual(500);
    expect(server.models.map(({ name, checkpoint }) => [name, checkpoint.startsWith(other)])).toEqual([
      ['small', true],
    ]);
    expect(await ask(server, world.rows)).toMatchObject({ model: 'small', version: '19' });
    expect(await metrics(server)).toContain('mtl_canary_state{model="small",kind="canary",state="promoted"} 1\n');
    expect([server.bugs, server.notices.filter((text) => text.includes('promoted'))]).toEqual([
      [],
      [`small-canary: ended, promoted ${OTHER}`],
    ]);
  });

  it('rolls back a canary that is worse, and does not start it again', async () => {
    await promoteRun(world.run);
    const server = await comparing({ rule }, 'runs/channels/prod');
    await feed(server, world.run);
    await until(async () => (await report(server)).state === 'rolledBack' && server.models.length === 1);
    expect(readlinkSync(LINK)).toBe('../../run');
    expect(history().at(-1)).toMatchObject({
      run: 'other',
      over: '../run',
      reason: 'rejected',
      gate: { split: 'live' },
    });
    expect((await ask(server, world.rows)).model).toBe('small');
    const again = await comparing({ rule }, 'runs/channels/prod');
    expect(again.models.map(({ name }) => name)).toEqual(['small']);
    expect(again.notices).toEqual([expect.stringMatching(/not started, since the rule rejected it at 20/)]);
    expect((await again.app.inject('/canary')).statusCode).toBe(404);
  });

  it('decides nothing for an equal model, but looks', async () => {
    await promoteRun(world.run);
    const server = await comparing({ kind: 'shadow', path: twin, rule }, 'runs/channels/prod');
    const uniform = createUniform(3);
    const probabilities = await predictWith(world.run, world.rows);
    for (let i = 0; i < 12; i++) {
      const { id } = await ask(server, world.rows);
      expect(await sendLabels(server, id, drawLabels(probabilities, uniform))).toMatchObject({ joined: 1, rows: 200 });
    }
    const { state, looks } = await report(server);
    expect([state, looks.map(({ verdict }) => verdict)]).toEqual(['running', ['undecided', 'undecided', 'undecided']]);
    expect(history()).toHaveLength(1);
  });

  it('ends without a verdict if the channel is promoted by hand', async () => {
    await promoteRun(world.run);
    const server = await comparing({ rule }, 'runs/channels/prod');
    await promoteRun(other);
    await server.reload();
    expect(await report(server)).toMatchObject({ state: 'ended' });
    expect(server.models).toEqual([expect.objectContaining({ name: 'small', version: '19' })]);
  });
});

describe('a canary that cannot be compared', () => {
  const start = (canary: Partial<CanaryOptions>, paths = [world.run]): Promise<TestServer> =>
    startServer({ paths, canary: { kind: 'canary', path: other, share: 0.5, keepMs: 1000, ...canary } });
  const rule = { metric: 'ctcvr.logLoss', after: 500, confidence: 0.95 };

  it('is an error with the column or task that differs', async () => {
    const [columns, tasks] = [join(folder, 'columns'), join(folder, 'tasks')];
    const trainOther = (runDir: string, set: readonly string[]): Promise<unknown> =>
      train(world.config, { runDir, device: 'cpu', threads: 1, set });
    await trainOther(columns, ['features.user.fields=[101, 121, 122]']);
    await expect(start({ path: columns })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('requires columns that the present model does not: "122"') as string,
    });
    await trainOther(tasks, ['tasks.cvr.onMissing=negative']);
    await expect(start({ path: tasks, kind: 'shadow' })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/--shadow .*tasks: tasks\.cvr: differs from the present model/) as string,
    });
  }, 60_000);

  it('is an error for a rule without a channel, of an unknown metric, or beside other models', async () => {
    const message = (text: string): object => ({ kind: 'usage', message: expect.stringContaining(text) as string });
    await expect(start({ rule })).rejects.toMatchObject(message('--promote-if ctcvr.logLoss: requires a channel'));
    await promoteRun(world.run);
    const channel = ['runs/channels/prod'];
    for (const [metric, fix] of [
      ['logLoss', 'use --promote-if ctr.logLoss or --promote-if cvr.logLoss'],
      ['ctcvr.logloss', "did you mean 'ctcvr.logLoss'?"],
      ['ctr.pcoc', 'no such metric with a better direction'],
    ] as const)
      await expect(start({ rule: { ...rule, metric } }, channel)).rejects.toMatchObject(message(fix));
    await expect(start({}, [world.run, twin])).rejects.toMatchObject({ kind: 'usage' });
  });
});
