/** @module-tag long */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadModel, train } from '../../src/index.js';
import { pointLink } from '../../src/io/links.js';
import { readChain } from '../../src/runs/delta.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { eachByNight } from '../support/each-by-night.js';
import { ADDON } from '../support/native.js';
import { servedWorld, serverOfTest, type TestServer } from '../support/served.js';

/** Tables of more rows than a step changes, fields that share a table, bags, a wide part, and a delta per step. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 4, encoding: { name: hash, buckets: 3000 } }
  item: { type: categorical, fields: [205], width: 4, encoding: { name: tokens } }
  met: { type: cross, fields: [[121, 206]], width: 4, buckets: 3000 }
  numbers: { type: numeric, fields: [D508], scaling: standard }
  history: { type: bag, fields: [109_14], width: 4, encoding: { name: hash, buckets: 3000 } }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: mmoe, wide: true, experts: { count: 2, hidden: [8] }, tower: { hidden: [4] } }
training: { epochs: 2, batchSize: 64 }
checkpoints: { delta: { everySteps: 1 }, keepLast: 100 }
`;

const folder = mkdtempSync(join(tmpdir(), 'mtl-follow-'));
const rows = 20;
let world: Awaited<ReturnType<typeof servedWorld>>;
/** Checkpoints of the run, oldest first, with their predictions. */
let versions: readonly {
  readonly name: string;
  readonly isDelta: boolean;
  /** Whether it is a full checkpoint with a segment from the version before. */
  readonly hasSegment: boolean;
  readonly answer: unknown;
}[];

beforeAll(async () => {
  world = await servedWorld(folder, CONFIG);
  versions = await Promise.all(
    (await listCheckpoints(world.run)).toReversed().map(async (name) => {
      const path = join(world.run, 'checkpoints', name);
      const model = await loadModel(path);
      const { ctr, cvr } = model.predict(world.rows.slice(0, rows));
      model.dispose();
      const answer = Array.from(ctr!, (value, i) => ({ ctr: value, cvr: cvr![i]! }));
      const isDelta = (await readChain(path)).deltas.length > 0;
      return { name, isDelta, hasSegment: existsSync(join(path, 'segment')), answer };
    }),
  );
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Index of the first version that a delta follows. */
const firstBase = (): number => versions.findIndex(({ isDelta }, v) => !isDelta && versions[v + 1]?.isDelta === true);
const stepOf = (name: string): string => String(Number(/\d+/.exec(name)![0]));

/** A run to which checkpoints are published, as training saves them. */
function emptyRun(name: string): { readonly path: string; publish(version: number): Promise<void> } {
  const path = join(folder, name);
  return {
    path,
    async publish(version) {
      const { name: checkpoint } = versions[version]!;
      cpSync(join(world.run, 'checkpoints', checkpoint), join(path, 'checkpoints', checkpoint), { recursive: true });
      await pointLink(join(path, 'checkpoints', 'last'), checkpoint);
    },
  };
}

type Answer = { readonly version: string; readonly predictions: readonly Record<string, number>[] };
const body = (): string => JSON.stringify({ rows: world.rows.slice(0, rows) });
const ask = async ({ app }: TestServer): Promise<Answer> =>
  (await app.inject({ method: 'POST', url: '/predict', payload: body() })).json<Answer>();

/** Asserts that an answer is that of the version which it names, bitwise. */
function expectUnmixed({ version, predictions }: Answer): void {
  const expected = versions.find(({ name }) => stepOf(name) === version)!;
  const given = predictions.map(({ ctr, cvr }) => ({ ctr: Math.fround(ctr!), cvr: Math.fround(cvr!) }));
  expect(given).toEqual(expected.answer);
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await wait(5);
};
/** Waits until a version is served and its delta is merged. */
async function reloaded(server: TestServer, version: number, reloads = 1): Promise<void> {
  await until(() => server.models[0]!.version === stepOf(versions[version]!.name));
  while ((await count(server, 'deltas')) + (await count(server, 'full')) < reloads) await wait(5);
}
const count = async ({ app }: TestServer, kind: string): Promise<number> =>
  Number(
    new RegExp(`mtl_reloads_total\\{model="small",kind="${kind}"\\} (\\d+)`).exec(
      (await app.inject('/metrics')).body,
    )?.[1] ?? 0,
  );

describe('mtl serve --follow', () => {
  it.each(['fp16', 'int8'] as const)('applies deltas to %s tables', async (tables) => {
    const run = emptyRun(`quantized-${tables}`);
    const first = firstBase();
    await run.publish(first);
    const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000, workers: 2, tables });
    for (const v of [first + 1, first + 2]) {
      await run.publish(v);
      await reloaded(server, v, v - first);
      const model = await loadModel(join(world.run, 'checkpoints', versions[v]!.name), { tables });
      const { ctr } = model.predict(world.rows.slice(0, rows));
      model.dispose();
      const { predictions } = await ask(server);
      expect(predictions.map((each) => Math.fround(each['ctr']!))).toEqual([...ctr!]);
    }
    expect(await count(server, 'deltas')).toBe(2);
    expect(server.notices).toEqual([]);
  });

  eachByNight(ADDON.families.length > 0 ? [['native'], ['wasm']] : [['wasm']])(
    'answers each request by one version while deltas are applied: %s kernels',
    { timeout: 120_000 },
    async (kernels) => {
      vi.stubEnv('MTL_KERNELS', kernels);
      onTestFinished(() => void vi.unstubAllEnvs());
      const run = emptyRun(`stress-${kernels}`);
      await run.publish(0);
      const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000, workers: 3 });
      let isOver = false;
      const answers: Answer[] = [];
      const lines = Array.from({ length: 12 }, async () => {
        while (!isOver) {
          const response = await fetch(`${server.url}/predict`, { method: 'POST', body: body() });
          expect(response.status).toBe(200);
          answers.push((await response.json()) as Answer);
        }
      });
      for (let v = 1; v < versions.length; v++) {
        await run.publish(v);
        await reloaded(server, v, v);
      }
      isOver = true;
      await Promise.all(lines);
      for (const answer of answers) expectUnmixed(answer);
      expect(new Set(answers.map(({ version }) => version)).size).toBeGreaterThan(versions.length / 2);
      expectUnmixed(await ask(server));
      const numDeltas = versions.filter(({ isDelta, hasSegment }) => isDelta || hasSegment).length;
      expect(numDeltas).toBeGreaterThan(5);
      expect(numDeltas).toBe(versions.length - 1);
      expect([await count(server, 'deltas'), server.bugs]).toEqual([numDeltas, []]);
    },
  );

  it('applies several deltas at once, also if the served checkpoint was removed', async () => {
    const run = emptyRun('removed');
    const base = firstBase();
    await run.publish(base);
    await run.publish(base + 1);
    const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000 });
    rmSync(join(run.path, 'checkpoints', versions[base]!.name), { recursive: true });
    await run.publish(base + 2);
    await reloaded(server, base + 2);
    expectUnmixed(await ask(server));
    expect([await count(server, 'deltas'), await count(server, 'full')]).toEqual([1, 0]);
  });

  it('applies the segment of a full checkpoint, or else loads it whole', async () => {
    const full = versions.findIndex(({ hasSegment }) => hasSegment);
    for (const [served, kind] of [
      [full - 1, 'deltas'],
      [full - 2, 'full'],
      // Another checkpoint has the name of the one before.
      [full - 3, 'full'],
    ] as const) {
      const run = emptyRun(`segment-${served}`);
      await run.publish(served);
      // A delta requires those before it.
      for (let v = 0; v < served; v++) await run.publish(v);
      await run.publish(served);
      const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000 });
      const names = [served, full - 1].map((v) => join(run.path, 'checkpoints', versions[v]!.name));
      if (served === full - 3) cpSync(names[0]!, names[1]!, { recursive: true });
      await run.publish(full);
      await reloaded(server, full);
      expectUnmixed(await ask(server));
      expect(server.models[0]!.checkpoint).toMatch(new RegExp(`${versions[full]!.name}$`));
      expect(await count(server, kind)).toBe(1);
    }
  });

  it('refuses a request whose path names a version that is no longer served', async () => {
    const run = emptyRun('named');
    const base = firstBase();
    await run.publish(base);
    const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000 });
    await run.publish(base + 1);
    await reloaded(server, base + 1);
    const url = (v: number): string => `/v2/models/small/versions/${stepOf(versions[v]!.name)}/infer`;
    const payload = { inputs: [] };
    expect((await server.app.inject({ method: 'POST', url: url(base), payload })).statusCode).toBe(404);
    expect((await server.app.inject({ method: 'POST', url: url(base + 1), payload })).statusCode).toBe(400);
  });

  it('reports step, age and reloads of the served weights', async () => {
    const run = emptyRun('metrics');
    const base = firstBase();
    await run.publish(base);
    const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000 });
    await run.publish(base + 1);
    await reloaded(server, base + 1);
    const { body: text } = await server.app.inject('/metrics');
    expect(text).toContain(`mtl_model_step{model="small"} ${stepOf(versions[base + 1]!.name)}\n`);
    expect(Number(/mtl_model_age_seconds\{model="small"\} (\S+)/.exec(text)![1])).toBeGreaterThan(0);
    expect(text).toContain('mtl_reload_seconds_count{model="small"} 1\n');
  });
});

describe('a checkpoint that is no delta of the served one', () => {
  it('is loaded whole if it is a delta of another checkpoint', async () => {
    const run = emptyRun('other-base');
    const base = firstBase();
    const next = versions.findIndex(({ isDelta }, v) => v > base + 1 && !isDelta);
    await run.publish(base);
    const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000 });
    cpSync(join(world.run, 'checkpoints', versions[next]!.name), join(run.path, 'checkpoints', versions[next]!.name), {
      recursive: true,
    });
    await run.publish(next + 1);
    await reloaded(server, next + 1);
    expectUnmixed(await ask(server));
    expect([await count(server, 'deltas'), await count(server, 'full')]).toEqual([0, 1]);
  });

  it('is loaded whole if it is of a run with another vocabulary', async () => {
    const other = join(folder, 'other-run');
    await train(world.config, {
      runDir: other,
      device: 'cpu',
      threads: 1,
      set: ['features.user.encoding={ name: hash, buckets: 2000 }', 'training.epochs=1'],
    });
    const path = join(folder, 'latest');
    await pointLink(path, world.run);
    const server = await serverOfTest({ paths: [path], isLast: true, reloadMs: 60_000 });
    await pointLink(path, other);
    await server.reload();
    expect(server.models[0]!.checkpoint).toContain('other-run');
    expect((await ask(server)).predictions).toHaveLength(rows);
    expect([await count(server, 'deltas'), await count(server, 'full')]).toEqual([0, 1]);
  });

  it.each(['weights.safetensors', 'rows.safetensors', 'state.json', 'manifest.json'])(
    'leaves the served one in place if its %s is damaged, and is applied once it is intact',
    async (file) => {
      const run = emptyRun(`damaged-${file}`);
      const base = firstBase();
      await run.publish(base);
      const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 60_000, workers: 2 });
      const checkpoint = versions[base + 1]!.name;
      const path = join(run.path, 'checkpoints', checkpoint, file);
      cpSync(join(world.run, 'checkpoints', checkpoint), join(path, '..'), { recursive: true });
      const intact = readFileSync(path);
      writeFileSync(path, intact.with(intact.length - 2, intact.at(-2)! ^ 1));
      await pointLink(join(run.path, 'checkpoints', 'last'), checkpoint);
      await until(() => server.notices.length > 0);
      expect(server.notices).toEqual([
        expect.stringContaining('small: cannot load a newer checkpoint, still serving the current one: '),
      ]);
      expect(server.notices[0]).toContain(checkpoint);
      expectUnmixed(await ask(server));
      expect(server.models[0]!.version).toBe(stepOf(versions[base]!.name));
      writeFileSync(path, intact);
      await server.reload();
      expectUnmixed(await ask(server));
      expect(server.models[0]!.version).toBe(stepOf(versions[base + 1]!.name));
      expect([await count(server, 'deltas'), await count(server, 'full')]).toEqual([1, 0]);
    },
  );
});
