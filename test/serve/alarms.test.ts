/** @module-tag long */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { loadModel } from '../../src/index.js';
import { pointLink } from '../../src/io/links.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { promoteRun } from '../support/promote-run.js';
import { serverOfTest, type TestServer } from '../support/served.js';
import { trainSmall } from '../support/small-run.js';

/** A window of 10 steps, and a delta every 4. */
const CONFIG = `seed: 3
data: { train: log.jsonl, follow: { fitRows: 200, windowRows: 320 } }
features:
  user: { type: categorical, fields: [user], width: 8, encoding: { name: hash, buckets: 200 } }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { batchSize: 32, optimizer: { dense: { learningRate: 0.02 }, embeddings: { learningRate: 0.02 } } }
checkpoints: { everySteps: 1000, delta: { everySteps: 4 }, keepLast: 100 }
`;
const WINDOW = 320;
/** The window whose labels are inverted, from 0. */
const BAD_WINDOW = 4;

const folder = mkdtempSync(join(tmpdir(), 'mtl-alarms-'));
const run = join(folder, 'runs', 'stream');
const asked = Array.from({ length: 9 }, (_, user) => ({ user: `u${user}` }));

/** A checkpoint with its predictions, and whether metrics.jsonl has alarms for the last window before it. */
interface Version {
  readonly name: string;
  readonly step: number;
  readonly isBad: boolean;
  readonly answer: readonly number[];
}
let versions: readonly Version[];

beforeAll(async () => {
  const random = randomStream(5, 'alarms');
  const records = Array.from({ length: 9 * WINDOW }, (_, i) => {
    const user = random.below(9);
    const click = Number(random.uniform() < (user % 3 === 0 ? 0.8 : 0.1));
    return { user: `u${user}`, click: Math.floor(i / WINDOW) === BAD_WINDOW ? 1 - click : click };
  });
  writeFileSync(join(folder, 'stream.yaml'), CONFIG);
  writeFileSync(join(folder, 'log.jsonl'), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await trainSmall(join(folder, 'stream.yaml'), { runDir: run, follow: true, untilEnd: true });
  const windows = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly window?: number; readonly step: number; readonly alarms: string[] })
    .filter(({ window }) => window !== undefined);
  const all: Version[] = [];
  for (const name of (await listCheckpoints(run)).toReversed()) {
    const step = Number(/\d+/.exec(name)![0]);
    const model = await loadModel(join(run, 'checkpoints', name));
    const answer = Array.from(model.predict(asked).ctr!);
    model.dispose();
    const isBad = (windows.findLast((window) => window.step <= step)?.alarms ?? []).length > 0;
    all.push({ name, step, isBad, answer });
  }
  versions = all;
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => void vi.stubEnv('MTL_RUNS', join(folder, 'runs')));
afterEach(() => void vi.unstubAllEnvs());

const firstBad = (): number => versions.findIndex(({ isBad }) => isBad);
/** The first version after the bad ones. */
const firstGood = (): number => versions.findIndex(({ isBad }, v) => v > firstBad() && !isBad);

/** A run to which checkpoints are published, as training saves them. */
function emptyRun(name: string): { readonly path: string; publish(...numbers: readonly number[]): Promise<void> } {
  const path = join(folder, 'runs', name);
  return {
    path,
    async publish(...numbers) {
      mkdirSync(join(path, 'checkpoints'), { recursive: true });
      writeFileSync(join(path, 'config.source.yaml'), CONFIG);
      for (const number of numbers) {
        const { name: checkpoint } = versions[number]!;
        cpSync(join(run, 'checkpoints', checkpoint), join(path, 'checkpoints', checkpoint), { recursive: true });
      }
      // A server sees the last one only.
      for (const link of ['best', 'last'])
        await pointLink(join(path, 'checkpoints', link), versions[numbers.at(-1)!]!.name);
    },
  };
}
const upTo = (end: number): readonly number[] => Array.from({ length: end + 1 }, (_, v) => v);
const following = (path: string, options = {}): Promise<TestServer> =>
  serverOfTest({ paths: [path], isLast: true, reloadMs: 60_000, ...options });

/** Asserts that a server answers by a version, bitwise. */
async function expectVersion({ app }: TestServer, number: number): Promise<void> {
  const response = await app.inject({ method: 'POST', url: '/predict', payload: { rows: asked } });
  const { version, predictions } = response.json<{ version: string; predictions: { ctr: number }[] }>();
  const { step, answer } = versions[number]!;
  expect([version, predictions.map(({ ctr }) => Math.fround(ctr))]).toEqual([String(step), answer]);
}
const metric = async ({ app }: TestServer, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await app.inject('/metrics')).body)?.[1] ?? NaN);
const held = (server: TestServer): Promise<number> => metric(server, 'mtl_model_held\\{model="stream"\\}');
const countOf = (server: TestServer, kind: string): Promise<number> =>
  metric(server, `mtl_reloads_total\\{model="stream",kind="${kind}"\\}`);

describe('a server that follows a stream with alarms', () => {
  it('has versions without, with and again without alarms', () => {
    expect(firstBad()).toBeGreaterThan(2);
    expect(firstGood()).toBeGreaterThan(firstBad() + 1);
  });

  it('keeps the weights before an alarm, logs it once, and applies held deltas when it ends', async () => {
    const stream = emptyRun('followed');
    await stream.publish(...upTo(1));
    const server = await following(stream.path);
    let served = 1;
    for (let v = 2; v < versions.length; v++) {
      await stream.publish(v);
      await server.reload();
      if (!versions[v]!.isBad) served = v;
      await expectVersion(server, served);
      expect(await held(server)).toBe(Number(versions[v]!.isBad));
    }
    const bad = versions.filter(({ isBad }, v) => v > 1 && isBad).length;
    // Each has a line when it begins and one when it ends.
    const starts = versions.filter(({ isBad }, v) => v > 1 && isBad && !versions[v - 1]!.isBad).length;
    const ends = versions.filter(({ isBad }, v) => v > 2 && !isBad && versions[v - 1]!.isBad).length;
    expect(server.notices).toHaveLength(starts + ends);
    const last = versions[firstBad() - 1]!.name;
    expect(server.notices[0]).toMatch(
      new RegExp(
        `^stream: serving \\S+${last} until its stream has no alarms; held \\S+${versions[firstBad()]!.name}: ctr`,
      ),
    );
    expect(server.notices[1]).toMatch(new RegExp(`${versions[firstGood()]!.name}: its stream has no alarms$`));
    const counts = await Promise.all(['held', 'full', 'failed'].map((kind) => countOf(server, kind)));
    expect(counts).toEqual([bad, NaN, NaN]);
    expect(server.bugs).toEqual([]);
  });

  it('serves the newest weights before an alarm that it has not seen yet', async () => {
    const stream = emptyRun('skipped');
    await stream.publish(0, 1);
    const server = await following(stream.path);
    await expectVersion(server, 1);
    await stream.publish(...upTo(firstBad()).slice(2));
    await server.reload();
    await expectVersion(server, firstBad() - 1);
    expect([await held(server), await countOf(server, 'deltas')]).toEqual([1, 1]);
  });

  it('starts with the newest weights before an alarm, and continues after it', async () => {
    const stream = emptyRun('started');
    await stream.publish(...upTo(firstBad() + 1));
    const server = await following(stream.path);
    await expectVersion(server, firstBad() - 1);
    expect([await held(server), server.notices]).toEqual([
      1,
      [expect.stringContaining('until its stream has no alarms')],
    ]);
    await server.reload();
    expect(server.notices).toHaveLength(1);
    await stream.publish(...upTo(firstGood()).slice(firstBad() + 2));
    await server.reload();
    await expectVersion(server, firstGood());
    expect([await held(server), await countOf(server, 'deltas'), await countOf(server, 'full')]).toEqual([0, 1, NaN]);
  });

  it('serves all weights with ignoreAlarms', async () => {
    const stream = emptyRun('ignored');
    await stream.publish(...upTo(firstBad()));
    const server = await following(stream.path, { ignoreAlarms: true });
    await expectVersion(server, firstBad());
    await stream.publish(firstBad() + 1);
    await server.reload();
    await expectVersion(server, firstBad() + 1);
    expect([await held(server), server.notices]).toEqual([0, []]);
  });

  it('serves a checkpoint that is named, and the only one that there is', async () => {
    const stream = emptyRun('named');
    await stream.publish(...upTo(firstBad()));
    const named = await following(join(stream.path, 'checkpoints', versions[firstBad()]!.name));
    await expectVersion(named, firstBad());
    expect(named.notices).toEqual([]);
    const only = emptyRun('only');
    // A delta requires those before it, which are damaged here.
    await only.publish(...upTo(firstBad()));
    for (const v of upTo(firstBad() - 1)) {
      const state = join(only.path, 'checkpoints', versions[v]!.name, 'state.json');
      writeFileSync(state, readFileSync(state, 'utf8').replace('"step"', '"stop"'));
    }
    const server = await following(only.path);
    await expectVersion(server, firstBad());
    expect(server.notices).toEqual([expect.stringMatching(/^stream: no checkpoint without alarms; serving .*: ctr\./)]);
    expect(await held(server)).toBe(0);
  });
});

describe('mtl promote of a run with alarms', () => {
  afterEach(() => rmSync(join(folder, 'runs', 'channels'), { recursive: true, force: true }));

  it('is an error that leaves the channel, unless alarms are ignored; the server serves it then', async () => {
    const [good, bad] = [emptyRun('good'), emptyRun('bad')];
    await good.publish(...upTo(firstGood()));
    await bad.publish(...upTo(firstBad()));
    const refused = {
      kind: 'checkpoint',
      message: expect.stringMatching(
        /bad\/checkpoints\/step-\d+: the last window of its stream has alarms: ctr\..*; train the run until .* --ignore-alarms/,
      ) as string,
    };
    await expect(promoteRun(bad.path)).rejects.toMatchObject(refused);
    await promoteRun(good.path);
    await expect(promoteRun(bad.path)).rejects.toMatchObject(refused);
    const channel = join(folder, 'runs', 'channels', 'prod');
    const server = await serverOfTest({ paths: [channel], reloadMs: 60_000 });
    await expectVersion(server, firstGood());
    await promoteRun(bad.path, { ignoreAlarms: true });
    await server.reload();
    await expectVersion(server, firstBad());
    const again = await serverOfTest({ paths: [channel], reloadMs: 60_000 });
    await expectVersion(again, firstBad());
    expect(await promoteRun(undefined)).toMatchObject({ reason: 'previous', isPromoted: true });
  });

  it('is refused to a rule too', async () => {
    const [good, bad] = [emptyRun('present'), emptyRun('candidate')];
    await good.publish(...upTo(firstGood()));
    await bad.publish(...upTo(firstBad()));
    await promoteRun(good.path);
    const canary = {
      kind: 'shadow',
      path: bad.path,
      share: 0.5,
      keepMs: 1000,
      rule: { metric: 'ctr.logLoss', after: 100, confidence: 0.95 },
    } as const;
    const options = { paths: ['runs/channels/prod'], reloadMs: 60_000, canary };
    await expect(serverOfTest(options)).rejects.toThrow('the last window of its stream has alarms');
    const server = await serverOfTest({ ...options, ignoreAlarms: true });
    expect(server.models.map(({ version }) => version)).toEqual(
      [firstGood(), firstBad()].map((v) => String(versions[v]!.step)),
    );
  });
});
