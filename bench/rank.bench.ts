// Candidates of a user: latency (p50, p99) of 500 candidates with and without a history of 50 items, by the library,
// over HTTP, and by ONNX Runtime from ids, in alternate rounds on one core (4 minutes).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { it } from 'vitest';
import { randomStream, type Random } from '../src/core/random.js';
import { exportModel } from '../src/export.js';
import { formatSpec } from '../src/export/formats.js';
import { loadModel, train, type Row } from '../src/index.js';
import { benchOptions, printTable, saveResults } from './results.js';
import { VOCABULARY } from './workloads.js';

const [CANDIDATES, ITEMS, USERS, WIDTH] = [500, 50, 20, 16];
/** Fields of Ali-CCP with one id per row; those of the candidate. */
const FIELDS = Object.keys(VOCABULARY).filter((field) => !/_14$|^210$|^853$/.test(field));
const ITEM_FIELDS = new Set(['205', '206', '207', '216', '508', '509', '702', '301']);
/** Layers of each tower, by the name of the config. */
const TOWERS = { esmm: { hidden: [16, 8], batchNorm: true }, 'esmm-paper': { hidden: [360, 200, 80] } };
/** Fields of the history: none, the item, or as in the engine's workload din-50. */
const HISTORIES = { none: [], item: ['205'], 'item, category, shop, brand': ['205', '206', '207', '216'] } as const;
/** Rounds, and calls of each side per round. */
const [WARM_ROUNDS, ROUNDS, CALLS] = [3, benchOptions().rows ?? 40, 25];

/** Latency in milliseconds. */
interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** A call that is measured, by its number. */
type Side = (call: number) => unknown;

const idOf = (random: Random, field: string): number => 1 + random.below(VOCABULARY[field]!);
const historyOf = (field: string): string => `hist_${field}`;

/** Draws users with their histories, and items. */
function drawRows(history: readonly string[]): { readonly users: readonly Row[]; readonly items: readonly Row[] } {
  const random = randomStream(7, 'rank bench');
  const idsOf = (fields: readonly string[]): [string, number][] => fields.map((field) => [field, idOf(random, field)]);
  const users = Array.from({ length: USERS }, (): Row =>
    Object.fromEntries<number | readonly number[]>([
      ...idsOf(FIELDS.filter((field) => !ITEM_FIELDS.has(field))),
      ...history.map((field) => [historyOf(field), Array.from({ length: ITEMS }, () => idOf(random, field))] as const),
    ]),
  );
  const items = Array.from({ length: CANDIDATES }, () => Object.fromEntries(idsOf([...ITEM_FIELDS])));
  return { users, items };
}

/** Trains a run for an epoch on a few rows; tables have Ali-CCP's vocabulary sizes. */
async function makeRun(folder: string, towers: object, history: readonly string[]): Promise<string> {
  const { users, items } = drawRows(history);
  const rows = items.map((item, i) => ({
    ...users[i % USERS],
    ...item,
    click: i % 3 === 0 ? 1 : 0,
    buy: i % 6 === 0 ? 1 : 0,
  }));
  const columns = Object.keys(rows[0]!);
  const textOf = (value: unknown): string => (Array.isArray(value) ? value.join('|') : String(value));
  const lines = rows.map((row) => Object.values(row).map(textOf).join(','));
  const file = join(folder, 'rows.csv');
  writeFileSync(file, `${[columns.join(','), ...lines].join('\n')}\n`);
  const sizes = Object.fromEntries(FIELDS.map((field) => [field, VOCABULARY[field]! + 1]));
  const fields = history.map((field) => ({ name: historyOf(field), target: field }));
  const run = join(folder, 'run');
  await train(
    {
      data: { train: file, valid: file },
      features: {
        all: { type: 'categorical', fields: FIELDS, width: WIDTH, encoding: { name: 'ids', sizes } },
        ...(history.length > 0 && {
          history: { type: 'sequence', fields, keep: { last: ITEMS }, encoder: 'target-attention' },
        }),
      },
      tasks: { ctr: { label: 'click' }, cvr: { label: 'buy', given: 'click' } },
      model: { name: 'esmm', ctrTower: towers, cvrTower: towers },
      training: { epochs: 1 },
    },
    { runDir: run, device: 'cpu' },
  );
  return run;
}

/** Starts a server with one worker; returns a call that sends a request, and one that ends the server. */
async function serveRun(run: string, bodies: readonly string[]) {
  const args = [
    join(import.meta.dirname, '..', 'bin', 'mtl.js'),
    'serve',
    run,
    '--port',
    '0',
    '--json',
    '--workers',
    '1',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  // A client with little work of its own: fetch takes more time than the server's.
  const agent = new Agent({ keepAlive: true });
  const side: Side = async (call) => {
    const sent = request(`${url}/predict`, { method: 'POST', agent }).end(bodies[call % bodies.length]!);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const body = await text(response);
    if (response.statusCode !== 200) throw new Error(body);
    return body;
  };
  return {
    side,
    end: async () => {
      agent.destroy();
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** Opens the exported model in ONNX Runtime, which reads ids of whole rows: a user has the same ones in each row. */
async function openOnnx(run: string, out: string, history: readonly string[]): Promise<Side> {
  await exportModel({
    path: run,
    spec: formatSpec('onnx', {}),
    out,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
  const session = await InferenceSession.create(out, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const random = randomStream(9, 'ids');
  const ids = (count: number, draw: () => number, shape = [count]): Tensor =>
    new Tensor(
      'int64',
      BigInt64Array.from({ length: count }, () => BigInt(draw())),
      shape,
    );
  const feeds = Object.fromEntries(
    session.inputNames.map((name) => {
      const field = history.find((each) => name.endsWith(`${historyOf(each)}.ids`));
      if (field !== undefined) return [name, ids(CANDIDATES * ITEMS, () => idOf(random, field))];
      let row = 0;
      if (name.endsWith('.offsets')) return [name, ids(CANDIDATES + 1, () => ITEMS * row++)];
      const user = idOf(random, name);
      return [name, ids(CANDIDATES, () => (ITEM_FIELDS.has(name) ? idOf(random, name) : user))];
    }),
  );
  return () => session.run(feeds);
}

/** Measures sides in alternate rounds. The first rounds are not counted: V8 compiles what they call. */
async function measure(sides: Readonly<Record<string, Side>>): Promise<Record<string, Latency>> {
  const times = Object.fromEntries(Object.keys(sides).map((name) => [name, [] as number[]]));
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++)
    for (const [name, side] of Object.entries(sides))
      for (let call = 0; call < CALLS; call++) {
        const begin = performance.now();
        const result = side(call);
        if (result instanceof Promise) await result;
        if (round >= 0) times[name]!.push(performance.now() - begin);
      }
  return Object.fromEntries(
    Object.entries(times).map(([name, own]) => {
      const sorted = own.toSorted((a, b) => a - b);
      return [name, { p50: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! }];
    }),
  );
}

async function measureWorkload(folder: string, towers: object, history: readonly string[]) {
  const run = await makeRun(folder, towers, history);
  const { users, items } = drawRows(history);
  const model = await loadModel(run);
  const half = await loadModel(run, { precision: 'bf16' });
  const bodies = users.map((user) => JSON.stringify({ user, candidates: items }));
  const server = await serveRun(run, bodies);
  try {
    return await measure({
      library: (call) => model.rank(users[call % USERS]!, items),
      'library, bf16': (call) => half.rank(users[call % USERS]!, items),
      http: server.side,
      onnx: await openOnnx(run, join(folder, 'model.onnx'), history),
    });
  } finally {
    model.dispose();
    half.dispose();
    await server.end();
  }
}

it('rank', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-rank-'));
  try {
    const found: { readonly towers: string; readonly history: string; readonly latency: Record<string, Latency> }[] =
      [];
    for (const [towers, layers] of Object.entries(TOWERS))
      for (const [history, fields] of Object.entries(HISTORIES)) {
        const own = mkdtempSync(join(folder, 'run-'));
        found.push({ towers, history, latency: await measureWorkload(own, layers, fields) });
      }
    printTable(
      `${CANDIDATES} candidates of a user with a history of ${ITEMS} items: p50 / p99 in ms`,
      found.map(({ towers, history, latency }) => ({
        towers,
        history,
        ...Object.fromEntries(
          Object.entries(latency).map(([side, { p50, p99 }]) => [side, `${p50.toFixed(2)} / ${p99.toFixed(2)}`]),
        ),
      })),
    );
    saveResults('rank', { candidates: CANDIDATES, items: ITEMS, found });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
