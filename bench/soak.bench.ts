// Continuous training and serving: a stream with drift, new items and purchases that follow their clicks later, random
// kills and a server under load; then a replay of the log, which must give the same bits (MTL_SOAK_MINUTES, default
// 30).
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readCheckpoint } from '../src/runs/checkpoint.js';
import { count, describeMachine, printTable, saveResults } from './results.js';

const BIN = join(import.meta.dirname, '..', 'bin', 'mtl.js');
const MINUTES = Number(process.env['MTL_SOAK_MINUTES'] ?? 30);
const RATE = Number(process.env['MTL_SOAK_RATE'] ?? 20_000);
const [REQUESTS_PER_SECOND, KILL_EVERY_MS, BATCH_ROWS] = [500, 120_000, 256];

const CONFIG = `
data:
  train: log/impressions
  follow: { fitRows: 20000, windowRows: 200000, time: at, timeFormat: milliseconds }
  join:
    key: id
    time: at
    timeFormat: milliseconds
    events: { buy: { file: log/purchases, within: 60s } }
features:
  item:
    type: categorical
    fields: [item]
    width: 16
    encoding: { name: tokens, capacity: 200000, admit: { count: 2 }, expire: { unseen: 10m } }
  user: { type: categorical, fields: [user], width: 16, encoding: { name: hash, buckets: 300000 } }
  price: { type: numeric, fields: [price], scaling: standard }
tasks:
  ctr: { label: click }
  purchase: { label: buy, delay: { method: fnw, from: at, event: buy_time, window: 60s, format: milliseconds } }
model: { name: mmoe, experts: { count: 2, hidden: [32] }, tower: { hidden: [16] } }
training: { batchSize: ${BATCH_ROWS}, shuffle: false }
checkpoints: { everyMinutes: 5, delta: { everyMinutes: 0.0125 } }
`;

/** Measurements of a server under load. */
interface Load {
  readonly milliseconds: number[];
  /** Steps of the weights that answered, and times of the answers. */
  readonly versions: { readonly step: number; readonly ms: number }[];
  failures: number;
  refusedWhileDown: number;
}

it(
  'soak',
  async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'mtl-soak-'));
    writeFileSync(join(cwd, 'package.json'), '{}');
    writeFileSync(join(cwd, 'soak.yaml'), CONFIG);
    try {
      const result = await soak(cwd);
      saveResults('soak', result);
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  },
  (3 * MINUTES + 10) * 60_000,
);

async function soak(cwd: string): Promise<object> {
  const startMs = Date.now();
  const writer = spawn(process.execPath, [
    join(import.meta.dirname, 'soak-writer.js'),
    join(cwd, 'log'),
    String(RATE),
    String(startMs),
  ]);
  const live = spawn(process.execPath, [BIN, 'live', 'soak.yaml', '--port', '0', '--workers', '1'], { cwd });
  // A server that was started again has another port.
  const server: { url?: string } = {};
  for (const stream of [live.stdout, live.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      const [, url] = /listening at (http\S+)/.exec(line) ?? [];
      if (url !== undefined) server.url = url;
    });
  await until(() => server.url);
  const load: Load = { milliseconds: [], versions: [], failures: 0, refusedWhileDown: 0 };
  const endMs = startMs + MINUTES * 60_000;
  const memory: { readonly train: number[]; readonly serve: number[] } = { train: [], serve: [] };
  const kills = { train: 0, serve: 0 };
  await Promise.all([askUntil(server, endMs, load), killUntil(live, endMs, kills), sampleUntil(live, endMs, memory)]);
  writer.kill('SIGKILL');
  live.kill('SIGTERM');
  await until(() => live.exitCode ?? live.signalCode ?? undefined);
  const ticks = readTicks(join(cwd, 'log', 'ticks.jsonl'));
  const written = countRecords(join(cwd, 'log', 'impressions')) + countRecords(join(cwd, 'log', 'purchases'));
  const follow = ['train', 'soak.yaml', '--follow', '--until-end', '--no-report', '--quiet', '--name'];
  const finish = runMtl(cwd, [...follow, 'live', '--resume', 'auto']);
  const replay = runMtl(cwd, [...follow, 'replay']);
  expect([finish.code, replay.code], finish.stderr + replay.stderr).toEqual([0, 0]);
  const isSame = await sameWeights(join(cwd, 'runs/soak/live'), join(cwd, 'runs/soak/replay'));
  const trained = lastStep(join(cwd, 'runs/soak/live')) * BATCH_ROWS;
  const freshness = load.versions.map((version) => secondsSince(ticks, version));
  return report({ load, freshness, kills, memory, written, trained, isSame, replaySeconds: replay.seconds });
}

/** Sends requests of one row at a fixed rate; a slow answer does not delay the next request. */
async function askUntil(server: { readonly url?: string }, endMs: number, load: Load) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  let sent = 0;
  const beginMs = Date.now();
  while (Date.now() < endMs) {
    const due = Math.floor((REQUESTS_PER_SECOND * (Date.now() - beginMs)) / 1000);
    for (; sent < due; sent++) ask(agent, server.url!, load, sent % 100 === 0);
    await setTimeout(2);
  }
  agent.destroy();
}

function ask(agent: Agent, url: string, load: Load, isSampled: boolean): void {
  const begin = performance.now();
  const user = Math.floor(200_000 * Math.random());
  const item = Math.floor(100_000 * Math.random());
  const body = JSON.stringify({ rows: [{ user: `u${user}`, item: `i${item}`, price: (item % 40) + 1 }] });
  const sent = request(
    `${url}/predict`,
    { agent, method: 'POST', headers: { 'content-length': body.length } },
    (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        if (response.statusCode !== 200) {
          load.failures++;
          return;
        }
        load.milliseconds.push(performance.now() - begin);
        if (!isSampled) return;
        const { version } = JSON.parse(text) as { readonly version: string };
        load.versions.push({ step: Number(version), ms: Date.now() });
      });
    },
  );
  sent.on('error', () => load.refusedWhileDown++);
  sent.end(body);
}

/** Kills the training or the server at random times. */
async function killUntil(live: ChildProcess, endMs: number, kills: Record<'train' | 'serve', number>): Promise<void> {
  for (;;) {
    const pauseMs = KILL_EVERY_MS * (0.5 + Math.random());
    // The last minute is without kills.
    if (Date.now() + pauseMs > endMs - 60_000) return;
    await setTimeout(pauseMs);
    const command = Math.random() < 0.75 ? 'train' : 'serve';
    const pid = findChild(live, command);
    if (pid === undefined) continue;
    process.kill(pid, 'SIGKILL');
    kills[command]++;
  }
}

async function sampleUntil(
  live: ChildProcess,
  endMs: number,
  memory: Record<'train' | 'serve', number[]>,
): Promise<void> {
  while (Date.now() < endMs) {
    for (const command of ['train', 'serve'] as const) {
      const pid = findChild(live, command);
      const bytes = pid === undefined ? undefined : residentBytes(pid);
      if (bytes !== undefined) memory[command].push(bytes);
    }
    await setTimeout(5000);
  }
}

/** Finds the process of a command that `live` started. */
function findChild(live: ChildProcess, command: string): number | undefined {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  };
  return read(`/proc/${live.pid}/task/${live.pid}/children`)
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number)
    .find((pid) => read(`/proc/${pid}/cmdline`).split('\0').includes(command));
}

function residentBytes(pid: number): number | undefined {
  try {
    const [, kB] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kB === undefined ? undefined : 1024 * Number(kB);
  } catch {
    return undefined;
  }
}

function runMtl(cwd: string, args: readonly string[]) {
  const begin = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [BIN, ...args], { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  return { code: status, stderr, seconds: (performance.now() - begin) / 1000 };
}

function countRecords(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => {
    const bytes = readFileSync(join(folder, name));
    let lines = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
    return sum + lines;
  }, 0);
}

/** Number of samples that had been written at a time. */
interface Tick {
  readonly ms: number;
  readonly samples: number;
}

function readTicks(path: string): readonly Tick[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Tick);
}

/** Seconds from the writing of the newest sample that the weights of an answer were trained on. */
function secondsSince(ticks: readonly Tick[], { step, ms }: Load['versions'][number]): number {
  const newest = ticks.find(({ samples }) => samples >= step * BATCH_ROWS)!;
  return (ms - newest.ms) / 1000;
}

function lastStep(run: string): number {
  return (JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as { readonly steps: number }).steps;
}

async function sameWeights(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [a, b].map((run) => readCheckpoint(join(run, 'checkpoints', 'last'), { withOptimizer: true })),
  );
  for (const kind of ['weights', 'optimizer'] as const)
    for (const [name, { data }] of one!.program[kind]) {
      const twin = other!.program[kind].get(name)!.data;
      if (
        Buffer.compare(
          Buffer.from(data.buffer, data.byteOffset, data.byteLength),
          Buffer.from(twin.buffer, twin.byteOffset, twin.byteLength),
        ) !== 0
      )
        return false;
    }
  return true;
}

function report({
  load,
  freshness,
  kills,
  memory,
  written,
  trained,
  isSame,
  replaySeconds,
}: {
  readonly load: Load;
  readonly freshness: readonly number[];
  readonly kills: Readonly<Record<'train' | 'serve', number>>;
  readonly memory: Readonly<Record<'train' | 'serve', number[]>>;
  readonly written: number;
  readonly trained: number;
  readonly isSame: boolean;
  readonly replaySeconds: number;
}): object {
  const share = (values: readonly number[], part: number): number =>
    [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))] ?? NaN;
  const thirds = (values: readonly number[]): readonly [number, number] => {
    const third = Math.floor(values.length / 3);
    return [share(values.slice(0, third), 0.5), share(values.slice(-third), 0.5)];
  };
  const [trainBefore, trainAfter] = thirds(memory.train);
  const [serveBefore, serveAfter] = thirds(memory.serve);
  const lines = {
    'impressions and purchases written': count(written),
    'samples trained on, in whole batches': count(trained),
    'not trained on yet: the last batch, and the last millisecond': count(written - trained),
    'replay gives the same bits': String(isSame),
    'kills of training, of the server': `${kills.train}, ${kills.serve}`,
    'requests, failed, refused while the server was down': [
      load.milliseconds.length,
      load.failures,
      load.refusedWhileDown,
    ]
      .map(count)
      .join(', '),
    'request p50, p99, p99.9 in ms': [0.5, 0.99, 0.999]
      .map((part) => share(load.milliseconds, part).toFixed(2))
      .join(', '),
    'freshness p50, p90, p99 in s': [0.5, 0.9, 0.99].map((part) => share(freshness, part).toFixed(2)).join(', '),
    'training, MB in the first and last third': [trainBefore, trainAfter].map((bytes) => count(bytes / 1e6)).join(', '),
    'server, MB in the first and last third': [serveBefore, serveAfter].map((bytes) => count(bytes / 1e6)).join(', '),
    'replay, samples/s': count(trained / replaySeconds),
  };
  printTable(
    `${MINUTES} minutes, ${count(RATE)} records/s, ${REQUESTS_PER_SECOND} requests/s; ${describeMachine()}`,
    Object.entries(lines).map(([what, value]) => ({ what, value })),
  );
  return { minutes: MINUTES, rate: RATE, ...lines };
}

async function until<Found>(find: () => Found | undefined): Promise<Found> {
  for (let i = 0; i < 1200; i++) {
    const found = find();
    if (found !== undefined) return found;
    await setTimeout(100);
  }
  throw new Error('waited for two minutes');
}
