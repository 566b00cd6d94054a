/** @module-tag long */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadModel, train } from '../../../src/index.js';
import { pointLink } from '../../../src/io/links.js';
import { readChain } from '../../../src/runs/delta.js';
import { listCheckpoints } from '../../../src/runs/retention.js';
import type { CanaryReport } from '../../../src/serve/canary/canary-report.js';
import { SIDES, type Side } from '../../../src/serve/canary/options.js';
import type { TableFormat } from '../../../src/tables/row-formats.js';
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
import { servedWorld, serverOfTest, type TestServer } from '../../support/served.js';

/** Two models with a delta per step, whose tables have more rows than a step changes. */
const CONFIG = `
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  user: { type: categorical, fields: [101, 121], width: 8, encoding: { name: hash, buckets: 3000 } }
  item: { type: categorical, fields: [205], width: 8, encoding: { name: tokens } }
  history: { type: bag, fields: [109_14], width: 8, encoding: { name: hash, buckets: 3000 } }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click }
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 2, batchSize: 64 }
checkpoints: { delta: { everySteps: 1 }, keepLast: 100 }
`;
/** Versions of each model that are published, in a chain of deltas. */
const NUM_VERSIONS = 4;
const ROWS = 40;

const folder = mkdtempSync(join(tmpdir(), 'mtl-canary-follow-'));
const other = join(folder, 'other');
let world: Awaited<ReturnType<typeof servedWorld>>;
/** Names of the published checkpoints of both. */
let names: { readonly present: readonly string[]; readonly candidate: readonly string[] };

beforeAll(async () => {
  world = await servedWorld(folder, CONFIG);
  const rate = (part: string): string => `training.optimizer.${part}.learningRate=0.03`;
  await train(world.config, { runDir: other, device: 'cpu', threads: 1, set: ['dense', 'embeddings'].map(rate) });
  names = { present: await findDeltas(world.run), candidate: await findDeltas(other) };
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
// Its path decides which requests a canary answers.
beforeEach(() => void vi.stubEnv('MTL_RUNS', join(folder, 'runs')));
afterEach(() => void vi.unstubAllEnvs());

/** Returns a full checkpoint with deltas after it. */
async function findDeltas(run: string): Promise<readonly string[]> {
  const all = (await listCheckpoints(run)).toReversed();
  const isDelta = await Promise.all(
    all.map(async (name) => (await readChain(join(run, 'checkpoints', name))).deltas.length > 0),
  );
  const base = isDelta.findIndex(
    (found, v) =>
      !found && isDelta.slice(v + 1, v + NUM_VERSIONS).every((each) => each) && v + NUM_VERSIONS <= all.length,
  );
  return all.slice(base, base + NUM_VERSIONS);
}

async function publish(from: string, to: string, name: string): Promise<void> {
  cpSync(join(from, 'checkpoints', name), join(to, 'checkpoints', name), { recursive: true });
  await pointLink(join(to, 'checkpoints', 'last'), name);
}

async function predictWith(checkpoint: string, rows: typeof world.rows, tables: TableFormat): Promise<Predicted[]> {
  const model = await loadModel(checkpoint, { tables });
  const { ctr, cvr, ctcvr } = model.predict(rows);
  model.dispose();
  return rows.map((_, row) => ({ ctr: ctr![row]!, cvr: cvr![row]!, ctcvr: ctcvr![row]! }));
}

interface Answer {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly Predicted[];
}
async function ask({ app }: TestServer, rows: typeof world.rows, id: string): Promise<Answer> {
  const headers = { 'x-request-id': id };
  const response = await app.inject({ method: 'POST', url: '/predict', payload: { rows }, headers });
  const answer = response.json<Omit<Answer, 'id'>>();
  const predictions = answer.predictions.map(({ ctr, cvr, ctcvr }) => ({
    ctr: Math.fround(ctr),
    cvr: Math.fround(cvr),
    ctcvr: Math.fround(ctcvr),
  }));
  return { ...answer, predictions, id: response.headers['x-request-id'] as string };
}

const stepOf = (name: string): string => String(Number(/\d+/.exec(name)![0]));

type Pair = readonly [readonly Predicted[], Labels];

describe.each(['f32', 'int8'] as const)('a second model with --follow and %s tables', (tables) => {
  /** Serves the first versions of both; `next` publishes the next ones. */
  async function start(kind: 'canary' | 'shadow') {
    const runs = { present: join(folder, 'runs', `${kind}-${tables}`), candidate: join(folder, 'runs', `2-${tables}`) };
    let version = 0;
    const publishBoth = async (): Promise<void> => {
      await publish(world.run, runs.present, names.present[version]!);
      await publish(other, runs.candidate, names.candidate[version]!);
    };
    rmSync(runs.candidate, { recursive: true, force: true });
    await publishBoth();
    const server = await serverOfTest({
      paths: [runs.present],
      isLast: true,
      reloadMs: 60_000,
      tables,
      canary: { kind, path: `runs/2-${tables}`, share: 0.5, keepMs: 60_000 },
    });
    return {
      server,
      async next() {
        version++;
        await publishBoth();
        await server.reload();
      },
    };
  }

  it.each(['canary', 'shadow'] as const)('compares predictions of each version exactly: %s', async (kind) => {
    const { server, next } = await start(kind);
    const uniform = createUniform(17);
    const pairs: { present: Pair[]; candidate: Pair[] } = { present: [], candidate: [] };
    for (let version = 0; version < NUM_VERSIONS; version++) {
      if (version > 0) await next();
      const [present, candidate] = [names.present[version]!, names.candidate[version]!];
      expect(server.models.map((model) => model.version)).toEqual([present, candidate].map(stepOf));
      for (let i = 0; i < 4; i++) {
        const rows = world.rows.slice(ROWS * i, ROWS * (i + 1));
        const expected = {
          present: await predictWith(join(world.run, 'checkpoints', present), rows, tables),
          candidate: await predictWith(join(other, 'checkpoints', candidate), rows, tables),
        };
        const answer = await ask(server, rows, `request-${version}-${i}`);
        const side: Side = answer.model === 'small' ? 'present' : 'candidate';
        expect(answer.version).toBe(stepOf({ present, candidate }[side]));
        expect(answer.predictions).toEqual(expected[side]);
        const labels = drawLabels(expected.present, uniform);
        await server.app.inject({
          method: 'POST',
          url: '/outcomes',
          payload: { outcomes: [{ id: answer.id, labels }] },
        });
        for (const each of kind === 'shadow' ? SIDES : [side]) pairs[each].push([expected[each], labels]);
      }
    }
    const report = (await server.app.inject('/canary')).json<CanaryReport>();
    expect([report.state, report.counts.joined]).toEqual(['running', 4 * NUM_VERSIONS]);
    for (const output of ['ctr', 'ctcvr'] as const) {
      const [a, b] = [scored(pairs.present, output), scored(pairs.candidate, output)];
      for (const [found, rows] of [
        [report.figures.present[output]!, a],
        [report.figures.candidate[output]!, b],
      ] as const)
        for (const [name, value] of Object.entries(computeFigures(rows))) expect(found[name]).toBeCloseTo(value, 9);
      const losses = [a, b].map((rows) => rows.map(rowLoss)) as [number[], number[]];
      const error =
        kind === 'shadow'
          ? standardError(losses[0].map((loss, row) => losses[1][row]! - loss))
          : Math.hypot(...losses.map(standardError));
      const found = report.figures.differences.find((each) => each.output === output && each.metric === 'logLoss')!;
      const difference = mean(losses[1]) - mean(losses[0]);
      expect(found.low).toBeCloseTo(difference - 1.959963984540054 * error, 9);
      expect(found.high).toBeCloseTo(difference + 1.959963984540054 * error, 9);
    }
    const { body } = await server.app.inject('/metrics');
    for (const model of ['small', `small-${kind}`])
      expect(body).toContain(`mtl_reloads_total{model="${model}",kind="deltas"} ${NUM_VERSIONS - 1}\n`);
    expect([body.includes('kind="full"'), server.notices, server.bugs]).toEqual([false, [], []]);
  });
});
