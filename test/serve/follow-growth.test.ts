/** @module-tag long */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { parseGrowth } from '../../src/features/vocabulary/growth-state.js';
import { listStrings } from '../../src/features/vocabulary/string-pool.js';
import { loadModel } from '../../src/index.js';
import { pointLink } from '../../src/io/links.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { readChain } from '../../src/runs/delta.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { mtl } from '../support/mtl.js';
import { ADDON } from '../support/native.js';
import { serverOfTest, type TestServer } from '../support/served.js';

/** Vocabularies that grow, with a wide part, a table that is larger than many deltas, and a delta every 2 steps. */
const CONFIG = `seed: 3
data:
  train: log
  follow: { fitRows: 200, windowRows: 900, time: at, timeFormat: seconds }
features:
  item:
    type: categorical
    fields: [item, other]
    width: 4
    encoding: { name: tokens, capacity: 90, admit: { count: 2 }, expire: { unseen: 60s } }
  met:
    type: cross
    fields: [[user, item]]
    width: 4
    encoding: { name: tokens, capacity: 4000 }
  user: { type: categorical, fields: [user], width: 8, encoding: { name: hash, buckets: 4000 } }
tasks: { ctr: { label: click } }
model: { name: single-task, wide: true }
training: { batchSize: 32 }
checkpoints: { everySteps: 1000, delta: { everySteps: 2 }, keepLast: 100 }
`;

const folder = mkdtempSync(join(tmpdir(), 'mtl-follow-growth-'));
const run = join(folder, 'run');
const VACANT = '\uffff';

interface Row {
  readonly at: number;
  readonly user: string;
  readonly item: string;
  readonly other: string;
  readonly click: number;
}

/** Records whose items come and go. */
function writeRecords(numRecords: number): readonly Row[] {
  const random = randomStream(5, 'growth');
  return Array.from({ length: numRecords }, (_, at) => {
    const [item, user] = [Math.floor(at / 15) + random.below(40), random.below(9)];
    const click = Number(random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.2));
    return { at, user: `u${user}`, item: `i${item}`, other: `i${item + random.below(5)}`, click };
  });
}

/** Rows with tokens of all versions. */
const records = writeRecords(1200);
const asked = records.filter((_, r) => r % 30 === 0).map(({ user, item, other }) => ({ user, item, other }));

/** A checkpoint of the run with its predictions, its items by row, and the rows of its largest vocabulary. */
interface Version {
  readonly name: string;
  readonly isDelta: boolean;
  readonly answer: readonly number[];
  readonly items: readonly string[];
  readonly maxIds: number;
}
let versions: readonly Version[];

beforeAll(async () => {
  mkdirSync(join(folder, 'log'));
  writeFileSync(join(folder, 'stream.yaml'), CONFIG);
  writeFileSync(join(folder, 'log', 'part-0.jsonl'), records.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const { code, stderr } = await mtl(folder, [
    ...['train', 'stream.yaml', '--follow', '--until-end', '--no-report', '--run-dir', 'run', '--threads', '1'],
  ]);
  expect([code, stderr]).toEqual([0, '']);
  const all: Version[] = [];
  for (const name of (await listCheckpoints(run)).toReversed()) {
    const path = join(run, 'checkpoints', name);
    const model = await loadModel(path);
    const answer = Array.from(model.predict(asked).ctr!);
    model.dispose();
    const { fitted } = await readCheckpoint(path);
    const items = listStrings(parseGrowth(fitted.item)!.vocabulary);
    const ids = Object.values(fitted).map((each) => parseGrowth(each)?.vocabulary.offsets.length ?? 0);
    const maxIds = Math.max(...ids);
    all.push({ name, isDelta: (await readChain(path)).deltas.length > 0, answer, items, maxIds });
  }
  versions = all;
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stepOf = (name: string): string => String(Number(/\d+/.exec(name)![0]));

/** Publishes a version as training saves it. */
async function publish(path: string, version: number): Promise<void> {
  const { name } = versions[version]!;
  cpSync(join(run, 'checkpoints', name), join(path, 'checkpoints', name), { recursive: true });
  await pointLink(join(path, 'checkpoints', 'last'), name);
}

type Answer = { readonly version: string; readonly predictions: readonly { readonly ctr: number }[] };
const body = (): string => JSON.stringify({ rows: asked });

/** Asserts that an answer is that of the version which it names, bitwise. */
function expectUnmixed({ version, predictions }: Answer): void {
  const expected = versions.find(({ name }) => stepOf(name) === version)!;
  expect(predictions.map(({ ctr }) => Math.fround(ctr))).toEqual(expected.answer);
}

const count = async ({ app }: TestServer, kind: string): Promise<number> =>
  Number(new RegExp(`kind="${kind}"\\} (\\d+)`).exec((await app.inject('/metrics')).body)?.[1] ?? 0);
async function reloaded(server: TestServer, version: number, reloads: number): Promise<void> {
  while (server.models[0]!.version !== stepOf(versions[version]!.name)) await wait(5);
  while ((await count(server, 'deltas')) + (await count(server, 'full')) < reloads) await wait(5);
}

/** Index of the first full checkpoint that a delta follows. */
const firstBase = (): number => versions.findIndex(({ isDelta }, v) => !isDelta && versions[v + 1]?.isDelta === true);

/** Index of the version after its deltas. */
const nextFull = (): number => {
  const next = versions.findIndex(({ isDelta }, v) => v > firstBase() && !isDelta);
  return next < 0 ? versions.length : next;
};

describe('a stream with vocabularies that grow', () => {
  it('has admissions, expiries, reused rows, and rows beyond those of the base', () => {
    const deltas = versions.slice(firstBase());
    const pairs = deltas.slice(1).map(({ items }, d) => ({ before: deltas[d]!.items, items }));
    const countRows = (isSo: (before: string | undefined, now: string) => boolean): number =>
      pairs.reduce((sum, { before, items }) => sum + items.filter((now, row) => isSo(before[row], now)).length, 0);
    const isToken = (text: string | undefined): boolean => text !== undefined && text !== VACANT;
    expect(countRows((before, now) => !isToken(before) && isToken(now))).toBeGreaterThan(20);
    expect(countRows((before, now) => isToken(before) && !isToken(now))).toBeGreaterThan(5);
    expect(countRows((before, now) => isToken(before) && isToken(now) && before !== now)).toBeGreaterThan(5);
    const last = versions[nextFull() - 1]!;
    expect(last.maxIds).toBeGreaterThan(versions[firstBase()]!.maxIds + 50);
  });

  it('is served from int8 tables that grow', async () => {
    const path = join(folder, 'served-int8');
    await publish(path, firstBase());
    const server = await serverOfTest({ paths: [path], isLast: true, reloadMs: 60_000, workers: 2, tables: 'int8' });
    for (let v = firstBase() + 1; v < nextFull(); v++) {
      await publish(path, v);
      await reloaded(server, v, v - firstBase());
    }
    const last = versions[nextFull() - 1]!;
    const model = await loadModel(join(run, 'checkpoints', last.name), { tables: 'int8' });
    const expected = [...model.predict(asked).ctr!];
    model.dispose();
    const { version, predictions } = (
      await server.app.inject({ method: 'POST', url: '/predict', payload: body() })
    ).json<Answer>();
    expect(version).toBe(stepOf(last.name));
    expect(predictions.map(({ ctr }) => Math.fround(ctr))).toEqual(expected);
    expect(expected).not.toEqual(last.answer);
    expect(await count(server, 'full')).toBe(0);
  });

  it.each(ADDON.families.length > 0 ? ['wasm', 'native'] : ['wasm'])(
    'answers each request by one version while its deltas are applied: %s kernels',
    async (kernels) => {
      vi.stubEnv('MTL_KERNELS', kernels);
      onTestFinished(() => void vi.unstubAllEnvs());
      const path = join(folder, `served-${kernels}`);
      await publish(path, 0);
      const server = await serverOfTest({ paths: [path], isLast: true, reloadMs: 60_000, workers: 3 });
      let isOver = false;
      const answers: Answer[] = [];
      const lines = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const response = await fetch(`${server.url}/predict`, { method: 'POST', body: body() });
          expect(response.status).toBe(200);
          answers.push((await response.json()) as Answer);
        }
      });
      for (let v = 1; v < versions.length; v++) {
        await publish(path, v);
        await reloaded(server, v, v);
      }
      isOver = true;
      await Promise.all(lines);
      for (const answer of answers) expectUnmixed(answer);
      expect(new Set(answers.map(({ version }) => version)).size).toBeGreaterThan(versions.length / 2);
      const numDeltas = versions.filter(({ isDelta }) => isDelta).length;
      expect(numDeltas).toBeGreaterThan(10);
      // Full checkpoints have an update.
      expect(numDeltas).toBeLessThan(versions.length - 1);
      expect([await count(server, 'deltas'), await count(server, 'full')]).toEqual([versions.length - 1, 0]);
      expect(server.bugs).toEqual([]);
    },
    120_000,
  );

  it('is served from a delta, and follows several deltas at once', async () => {
    const path = join(folder, 'late');
    const base = firstBase();
    for (let v = base; v < base + 3; v++) await publish(path, v);
    const server = await serverOfTest({ paths: [path], isLast: true, reloadMs: 60_000, workers: 2 });
    for (let v = base + 3; v < nextFull(); v++) await publish(path, v);
    await server.reload();
    expect(server.models[0]!.version).toBe(stepOf(versions[nextFull() - 1]!.name));
    expectUnmixed((await server.app.inject({ method: 'POST', url: '/predict', payload: body() })).json<Answer>());
    expect(await count(server, 'full')).toBe(0);
  });
});
