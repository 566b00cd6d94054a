// Serving: latency (p50, p99) of one row and of 500 candidates of a user through the library, and the processor time of
// candidates next to the same rows sent whole; HTTP throughput, errors and memory (3 minutes).
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { loadModel, train, type Model, type Row } from '../src/index.js';
import { synth } from '../src/synth.js';
import { count, printTable, saveResults } from './results.js';
import { VOCABULARY } from './workloads.js';

const root = join(import.meta.dirname, '..');
const CANDIDATES = 500;
const CALLS = 20_000;
const ITEM_FIELDS = ['205', '206', '207', '210', '216', '129', '508', '509', '702', '853'];
/** HTTP load: connections, rows per request, seconds. */
const LOADS = [
  { connections: 64, rows: 1, seconds: 60 },
  { connections: 1, rows: 1, seconds: 5 },
  { connections: 8, rows: CANDIDATES, seconds: 10 },
  { connections: 8, rows: CANDIDATES, seconds: 10, isRanked: true },
] as const;
/** Towers by the name of their config, and rounds and calls per round in which candidates and whole rows alternate. */
const TOWERS = { esmm: { hidden: [16, 8], batchNorm: true }, 'esmm-paper': { hidden: [360, 200, 80] } };
const [ROUNDS, CALLS_PER_ROUND] = [40, 20];

/** Ids of synthetic rows start at 1. */
const SIZES = Object.fromEntries(Object.entries(VOCABULARY).map(([field, size]) => [field, size + 100]));

/** A run with towers of a config, and the test rows. */
interface Run {
  readonly run: string;
  readonly rows: readonly Row[];
}

/** Trains an ESMM run with Ali-CCP's vocabulary sizes. */
async function makeRun(folder: string, towers: object): Promise<Run> {
  const run = join(folder, 'run');
  await synth({
    folder,
    seed: 7,
    rows: { train: 2000, valid: 1000, test: 5000 },
    users: 5000,
    items: 5000,
    rates: { click: 0.3, purchase: 0.3 },
  });
  const data = Object.fromEntries(['train', 'valid', 'test'].map((split) => [split, join(folder, `${split}.csv`)]));
  await train(
    {
      data,
      features: {
        all: {
          type: 'categorical',
          fields: Object.keys(VOCABULARY),
          width: 16,
          encoding: { name: 'ids', sizes: SIZES },
        },
      },
      tasks: { ctr: { label: 'click' }, cvr: { label: 'purchase', given: 'click' } },
      model: { name: 'esmm', ctrTower: towers, cvrTower: towers },
      training: { epochs: 1 },
    },
    { runDir: run, device: 'cpu' },
  );
  const [header, ...lines] = readFileSync(data['test']!, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  const fields = header!.flatMap((name, i) => (name in VOCABULARY ? [[name, i] as const] : []));
  return { run, rows: lines.map((cells) => Object.fromEntries(fields.map(([name, i]) => [name, Number(cells[i])]))) };
}

/** Returns the p50 and p99 latency of a call in milliseconds. */
function timed(call: (i: number) => void, calls: number): { readonly p50: number; readonly p99: number } {
  const times: number[] = [];
  for (let i = 0; i < calls + 200; i++) {
    const start = performance.now();
    call(i);
    if (i >= 200) times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { p50: times[times.length >> 1]!, p99: times[Math.floor(times.length * 0.99)]! };
}

/** 100 users, candidates of all of them, and both as whole rows. */
function candidatesOf(rows: readonly Row[]) {
  const selectColumns = (row: Row, isOfItem: boolean): Row =>
    Object.fromEntries(Object.entries(row).filter(([column]) => ITEM_FIELDS.includes(column) === isOfItem));
  const users = rows.slice(0, 100).map((row) => selectColumns(row, false));
  const items = rows.slice(0, CANDIDATES).map((row) => selectColumns(row, true));
  return { users, items, whole: users.map((user) => items.map((item): Row => ({ ...user, ...item }))) };
}

function library(model: Model, rows: readonly Row[]): Record<string, { readonly p50: number; readonly p99: number }> {
  const { users, items, whole } = candidatesOf(rows);
  return {
    'one row': timed((i) => void model.predict([rows[i % rows.length]!]), CALLS),
    [`${CANDIDATES} whole rows`]: timed((i) => void model.predict(whole[i % whole.length]!), CALLS / 20),
    [`${CANDIDATES} candidates`]: timed((i) => void model.rank(users[i % users.length]!, items), CALLS / 20),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Returns the processor time of whole rows and of candidates, in milliseconds per call, in alternate rounds. */
function compareCandidates(model: Model, rows: readonly Row[]) {
  const { users, items, whole } = candidatesOf(rows);
  const calls = [
    (i: number): unknown => model.predict(whole[i % whole.length]!),
    (i: number): unknown => model.rank(users[i % users.length]!, items),
  ];
  const times: [number[], number[]] = [[], []];
  // The first rounds are not counted: V8 compiles what they call.
  for (let round = -10; round < ROUNDS; round++)
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const begin = process.cpuUsage();
      for (let i = 0; i < CALLS_PER_ROUND; i++) calls[which]!(i + round + 10);
      const { user, system } = process.cpuUsage(begin);
      if (round >= 0) times[which].push((user + system) / 1000 / CALLS_PER_ROUND);
    }
  const ratio = median(times[0].map((rowsMs, round) => rowsMs / times[1][round]!));
  return { rowsMs: median(times[0]), candidatesMs: median(times[1]), ratio };
}

async function startServer(run: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [join(root, 'bin', 'mtl.js'), 'serve', run, '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, url: (JSON.parse(line.toString()) as { url: string }).url };
}

const memoryMB = async (url: string): Promise<number> =>
  Number(/^process_resident_memory_bytes (\S+)/m.exec(await (await fetch(`${url}/metrics`)).text())![1]) / 1e6;

/** Runs autocannon in a process of its own, which occupies one core. */
function load(url: string, body: string, connections: number, seconds: number) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'autocannon', 'autocannon.js'),
      '--json',
      '--no-progress',
      '-m',
      'POST',
      '-i',
      body,
      '-c',
      String(connections),
      '-d',
      String(seconds),
      `${url}/predict`,
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as {
    readonly requests: { readonly average: number; readonly total: number };
    readonly latency: { readonly p50: number; readonly p99: number };
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
  };
}

it('serve', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-serve-'));
  try {
    const { run, rows } = await makeRun(join(folder, 'esmm'), TOWERS.esmm);
    const compared: Record<string, ReturnType<typeof compareCandidates>> = {};
    for (const [name, towers] of Object.entries(TOWERS)) {
      const own = await loadModel(name === 'esmm' ? run : (await makeRun(join(folder, name), towers)).run);
      compared[name] = compareCandidates(own, rows);
      own.dispose();
    }
    printTable(
      `${CANDIDATES} candidates of a user next to whole rows, processor time on one thread`,
      Object.entries(compared).map(([towers, { rowsMs, candidatesMs, ratio }]) => ({
        towers,
        'rows ms': rowsMs.toFixed(3),
        'candidates ms': candidatesMs.toFixed(3),
        ratio: ratio.toFixed(2),
      })),
    );
    const model = await loadModel(run);
    const calls = library(model, rows);
    model.dispose();
    const ms = (value: number): string => value.toFixed(3);
    printTable(
      'By the library, on one thread',
      Object.entries(calls).map(([what, { p50, p99 }]) => ({ what, 'p50 ms': ms(p50), 'p99 ms': ms(p99) })),
    );

    const { child, url } = await startServer(run);
    const found = [];
    const { users, items, whole } = candidatesOf(rows);
    for (const { connections, rows: numRows, seconds, ...form } of LOADS) {
      const isRanked = 'isRanked' in form;
      const body = join(folder, 'body.json');
      writeFileSync(
        body,
        JSON.stringify(isRanked ? { user: users[0], candidates: items } : { rows: whole[0]!.slice(0, numRows) }),
      );
      load(url, body, connections, 2);
      const before = await memoryMB(url);
      const { requests, latency, errors, timeouts, non2xx } = load(url, body, connections, seconds);
      found.push({
        connections,
        rows: numRows,
        isRanked,
        seconds,
        requestsPerSecond: requests.average,
        p50Ms: latency.p50,
        p99Ms: latency.p99,
        failed: errors + timeouts + non2xx,
        memoryMB: [before, await memoryMB(url)],
      });
    }
    child.kill('SIGTERM');
    const [exitCode] = (await once(child, 'exit')) as [number];
    const told = found.map(
      ({
        connections,
        rows: numRows,
        isRanked,
        seconds,
        requestsPerSecond,
        p50Ms,
        p99Ms,
        failed,
        memoryMB: [before, after],
      }) => ({
        connections: String(connections),
        rows: `${numRows}${isRanked ? ' candidates' : ''}`,
        seconds: String(seconds),
        'requests/s': count(requestsPerSecond),
        'rows/s': count(requestsPerSecond * numRows),
        'p50 ms': String(p50Ms),
        'p99 ms': String(p99Ms),
        failed: String(failed),
        'MB before': count(before!),
        'MB after': count(after!),
      }),
    );
    printTable(`Over HTTP, with autocannon beside it on the same cores (exit code ${exitCode})`, told);
    saveResults('serve', { compared, library: calls, http: found });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
