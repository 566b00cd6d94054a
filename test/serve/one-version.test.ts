/** @module-tag long */
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { pointLink } from '../../src/io/links.js';
import { readChain } from '../../src/runs/delta.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import type { Thread } from '../../src/system/thread.js';
import { BATCH_ROWS, drawShown, followClicks, writeClickedStream } from '../support/clicked-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { serverOfTest, startServer, type TestServer } from '../support/served.js';

// Rows lack counters and events, so that an answer depends on weights, counters and events. Each answer is compared
// with the one of a server that was started with the checkpoint of its version.

/** A message to a thread of a server. */
interface Message {
  readonly module: string;
  /** Number of the thread among those of the module. */
  readonly thread: number;
  readonly request: unknown;
}

/** How messages reach threads: in order and at once by default. */
const world = vi.hoisted(() => ({
  threads: [] as string[],
  delay: undefined as ((message: Message) => Promise<void>) | undefined,
  overtakes: undefined as ((message: Message) => boolean) | undefined,
}));
vi.mock('../../src/system/thread.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/system/thread.js')>();
  return {
    ...original,
    startThread: (...args: Parameters<typeof original.startThread>) =>
      delayMessages(args[0], original.startThread(...args)),
  };
});

function delayMessages(module: string, thread: Thread): Thread {
  const index = world.threads.filter((each) => each === module).length;
  world.threads.push(module);
  let last: Promise<unknown> = Promise.resolve();
  return {
    ask(request, transfer) {
      const message = { module, thread: index, request };
      if (world.overtakes?.(message) === true) return thread.ask(request, transfer);
      last = Promise.all([last, world.delay?.(message)]);
      return last.then(() => thread.ask(request, transfer));
    },
    close: () => thread.close(),
  };
}

/** Lets messages pass. */
function resetDelays(): void {
  Object.assign(world, { delay: undefined, overtakes: undefined });
}

const isOfThread = ({ module }: Message): boolean => module === 'serve/predict-worker';
const isSupplement = (message: Message): boolean => isOfThread(message) && has(message, 'supplements');
/** Whether a thread switches to a new version, or else to the rows in their own place. */
const isSwitch = (message: Message): boolean =>
  isOfThread(message) &&
  has(message, 'moved') &&
  (message.request as { readonly moved: ReadonlyMap<string, unknown> }).moved.size > 0;
const isPreparation = ({ module, request }: Message): boolean =>
  module === 'serve/table-worker' && request !== undefined;
const isMerge = ({ module, request }: Message): boolean => module === 'serve/table-worker' && request === undefined;
const has = ({ request }: Message, key: string): boolean =>
  typeof request === 'object' && request !== null && key in request;

const ROWS = drawShown(40 * BATCH_ROWS);
const NOW = ROWS.at(-1)!.at + 60;
const REQUEST = { rows: Array.from({ length: 30 }, (_, i) => ({ user: `u${i % 13}`, item: `i${i % 15}`, at: NOW })) };
const RANKED = { user: { user: 'u1', at: NOW }, candidates: Array.from({ length: 15 }, (_, i) => ({ item: `i${i}` })) };
const COUNTERS = 'count: { shows: { by: item, within: 10d }, item_clicks: { by: item, of: click, within: 10d } }';
const SET = [
  `data.counters={ time: at, format: seconds, tolerance: 0s, ${COUNTERS} }`,
  'features.popular={ type: numeric, fields: [shows, item_clicks], scaling: log1p }',
];

interface Answer {
  readonly version: string;
  readonly predictions: readonly { readonly ctr: number }[];
}
interface Version extends Answer {
  readonly name: string;
  readonly isDelta: boolean;
  readonly ranked: Answer;
}

const folder = mkdtempSync(join(tmpdir(), 'mtl-one-version-'));
const trained = join(folder, 'trained');
/** Checkpoints of the run, the oldest first, with the answer of a server that was started with it. */
let versions: readonly Version[];

beforeAll(async () => {
  await followClicks(writeClickedStream(folder, ROWS), trained, { set: SET });
  const found: Version[] = [];
  for (const name of (await listCheckpoints(trained)).toReversed()) {
    const path = join(trained, 'checkpoints', name);
    const server = await startServer({ paths: [path] });
    const isDelta = (await readChain(path)).deltas.length > 0;
    found.push({ name, isDelta, ...(await ask(server)), ranked: await ask(server, RANKED) });
    await server.drain();
  }
  versions = found;
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pathOf = (version: number): string => join(trained, 'checkpoints', versions[version]!.name);
/** Index of the first version that `deltas` deltas follow. */
const findBase = (deltas: number): number =>
  versions.findIndex(
    (_, v) => versions.slice(v + 1, v + 1 + deltas).filter(({ isDelta }) => isDelta).length === deltas,
  );

async function ask({ app }: TestServer, payload: object = REQUEST): Promise<Answer> {
  const response = await app.inject({ method: 'POST', url: '/predict', payload });
  expect([response.statusCode, response.statusCode === 200 ? '' : response.payload]).toEqual([200, '']);
  const { version, predictions } = response.json<Answer>();
  return { version, predictions };
}

const answerOf = (version: number): Answer => {
  const { version: step, predictions } = versions[version]!;
  return { version: step, predictions };
};

/** Lists the answers that differ from that of a server that was started with the checkpoint of their version. */
const listMixed = (answers: readonly Answer[]): readonly Answer[] =>
  answers.filter(({ version, predictions }) => {
    const expected = versions.find((each) => each.version === version);
    return JSON.stringify(expected?.predictions) !== JSON.stringify(predictions);
  });

/** A run to which versions are copied, and which a server then follows. */
interface PublishedRun {
  readonly path: string;
  /** Copies a version; returns its directory. */
  copy(version: number): string;
  /** Points the run at a version: a server may follow it at once. */
  point(version: number): Promise<void>;
}

function emptyRun(): PublishedRun {
  const path = join(scratchFolder(), 'run');
  return {
    path,
    copy(version) {
      const copied = join(path, 'checkpoints', versions[version]!.name);
      cpSync(pathOf(version), copied, { recursive: true });
      return copied;
    },
    point: (version) => pointLink(join(path, 'checkpoints', 'last'), versions[version]!.name),
  };
}

/** Serves a version of a run until the end of the test. */
async function serveRun(version: number): Promise<{ readonly run: PublishedRun; readonly server: TestServer }> {
  const run = emptyRun();
  run.copy(version);
  await run.point(version);
  world.threads = [];
  onTestFinished(resetDelays);
  const server = await serverOfTest({ paths: [run.path], isLast: true, reloadMs: 3_600_000, workers: 2 });
  return { run, server };
}

/** Damages a file in ways that a full disk, a bad copy or a bad disk would; returns a function that repairs it. */
const DAMAGES = {
  missing: (path: string) => rmSync(path),
  truncated: (path: string) => truncateSync(path, readFileSync(path).length - 9),
  'bit-flipped': (path: string) => {
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.with(bytes.length - 5, bytes.at(-5)! ^ 1));
  },
} as const;
function damage(path: string, how: keyof typeof DAMAGES): () => void {
  const intact = readFileSync(path);
  DAMAGES[how](path);
  return () => writeFileSync(path, intact);
}

/** A promise, and a function that resolves it. */
function createGate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

/** How `askDuringSwitch` delays messages. */
interface Delays {
  /** Number of the thread that switches after the other one has answered by the new version. */
  readonly late: number;
  /** Whether switches overtake earlier messages, which they never do. Default: false. */
  readonly isOvertaking?: boolean;
}

/**
 * Applies the delta of a version while requests are in flight at each step of the switch.
 * @returns all answers, the one to a request whose counters and events were read just before the switch, and a ranking
 * after it, while rows are read from spare rows
 */
async function askDuringSwitch(
  { run, server }: Awaited<ReturnType<typeof serveRun>>,
  version: number,
  { late, isOvertaking = false }: Delays,
): Promise<{ readonly all: readonly Answer[]; readonly supplied: Answer; readonly ranked: Answer }> {
  const asked: Promise<Answer>[] = [];
  const send = (): Promise<Answer> => asked[asked.push(ask(server)) - 1]!;
  const [isSupplied, isSwitching] = [createGate(), createGate()];
  let supplied: Promise<Answer> | undefined;
  let ranked: Promise<Answer> | undefined;
  if (isOvertaking) world.overtakes = isSwitch;
  world.delay = async (message) => {
    if (isPreparation(message)) {
      await send();
      supplied = send();
      await isSupplied.opened;
    } else if (isSupplement(message) && supplied !== undefined) {
      isSupplied.open();
      await isSwitching.opened;
    } else if (isSwitch(message)) {
      isSwitching.open();
      await supplied;
      if (message.thread === late) await Promise.race([send(), send()]);
    } else if (isMerge(message)) {
      isSwitching.open();
      ranked = ask(server, RANKED);
      await Promise.all([send(), send(), ranked]);
    }
  };
  run.copy(version);
  await run.point(version);
  await server.reload();
  resetDelays();
  return { all: await Promise.all(asked), supplied: (await supplied)!, ranked: (await ranked)! };
}

describe('a server that follows a run with counters and events', () => {
  it('answers each request by one version while deltas are applied', { timeout: 120_000 }, async () => {
    const served = await serveRun(0);
    const { server } = served;
    for (let v = 1; v < versions.length; v++) {
      const { all, supplied, ranked } = await askDuringSwitch(served, v, { late: v % 2 });
      expect(listMixed(all)).toEqual([]);
      expect(ranked).toEqual(versions[v]!.ranked);
      const [before, after] = [answerOf(v - 1), answerOf(v)];
      expect(new Set(all.map(({ version }) => version))).toEqual(new Set([before.version, after.version]));
      expect([supplied, await ask(server)]).toEqual([before, after]);
    }
    expect(versions.length).toBeGreaterThan(10);
    expect([server.notices, server.bugs]).toEqual([[], []]);
  });

  // The order of messages is what keeps versions apart.
  it('would mix versions if a switch overtook the counters of a request', async () => {
    const base = findBase(1);
    const served = await serveRun(base);
    const { all, supplied } = await askDuringSwitch(served, base + 1, { late: 0, isOvertaking: true });
    expect(listMixed(all)).toEqual([supplied]);
    expect(supplied.version).toBe(answerOf(base + 1).version);
    expect(await ask(served.server)).toEqual(answerOf(base + 1));
  });

  it.each(
    ['counters.safetensors', 'histories.safetensors', 'weights.safetensors'].flatMap((file) =>
      (['missing', 'truncated', 'bit-flipped'] as const).map((how) => [file, how] as const),
    ),
  )('keeps its version whole if %s of a delta is %s, and follows when it is repaired', async (file, how) => {
    const base = findBase(1);
    const { run, server } = await serveRun(base);
    const repair = damage(join(run.copy(base + 1), file), how);
    await run.point(base + 1);
    for (let attempt = 0; attempt < 2; attempt++) {
      await server.reload();
      expect(await ask(server)).toEqual(answerOf(base));
    }
    expect(server.notices).toEqual([expect.stringMatching(`still serving the current one: .*${file}`)]);
    repair();
    await server.reload();
    expect(await ask(server)).toEqual(answerOf(base + 1));
    expect(server.bugs).toEqual([]);
  });

  it.each(['counters.safetensors', 'histories.safetensors', 'weights.safetensors'])(
    'serves the delta before one whose %s is damaged, and all of them when it is repaired',
    async (file) => {
      const base = findBase(3);
      const { run, server } = await serveRun(base);
      const [, second] = [base + 1, base + 2, base + 3].map((version) => run.copy(version));
      const repair = damage(join(second!, file), 'bit-flipped');
      await run.point(base + 3);
      await server.reload();
      expect(await ask(server)).toEqual(answerOf(base + 1));
      repair();
      await server.reload();
      expect(await ask(server)).toEqual(answerOf(base + 3));
      expect(server.bugs).toEqual([]);
    },
  );
});
