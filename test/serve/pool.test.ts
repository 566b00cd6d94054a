import { inject } from 'light-my-request';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { userError } from '../../src/core/errors.js';
import { createApp, type AppOptions } from '../../src/serve/app.js';
import type { Answered, BodyKind, Bundle, ModelFacts } from '../../src/serve/messages.js';
import { ServeMetrics } from '../../src/serve/metrics.js';
import { Pool } from '../../src/serve/pool.js';
import type { Thread } from '../../src/system/thread.js';

/** Behavior of the next threads at their start, and whether predicting ends a thread. */
const world = vi.hoisted(() => ({ failures: [] as string[], isMortal: false, started: 0, closed: 0 }));
vi.mock('../../src/system/thread.js', () => ({ startThread: fakeThread }));
vi.mock('../../src/runs/checkpoint.js', () => ({ readCheckpoint: () => Promise.resolve({ fitted: {} }) }));
vi.mock('../../src/runs/manifest.js', () => ({
  manifestDigest: () => Promise.resolve('0'),
  readSavedMs: () => Promise.resolve(0),
}));
vi.mock('../../src/trained-model/load-states.js', () => ({ loadStates: () => Promise.resolve({}) }));

const FACTS: ModelFacts = { name: 'm', version: '1', checkpoint: 'c', savedMs: 0, inputs: [], outputs: [], config: '' };
const ANSWER: Answered = { status: 200, body: '{}', rows: 1 };
const KIND: BodyKind = { form: 'rows', onBadRow: 'error', onMissing: 'error' };

function fakeThread(): Thread {
  world.started++;
  const failure = world.failures.shift();
  return {
    ask(request) {
      if (request === undefined)
        return failure === undefined
          ? Promise.resolve({ facts: FACTS, tables: [] })
          : Promise.reject(userError('checkpoint', { message: failure }));
      if (world.isMortal) return Promise.reject(userError('thread', { message: 'a thread ended' }));
      return Promise.resolve({ answers: (request as Bundle).bodies.map(() => ANSWER), counts: new Map() });
    },
    close() {
      world.closed++;
      return Promise.resolve();
    },
  };
}

let pool: Pool;
let notices: string[];
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  Object.assign(world, { failures: [], isMortal: false, started: 0, closed: 0 });
  notices = [];
  pool = await Pool.open(
    { folder: 'f', name: undefined, limits: { bytes: 100, rows: 10 } },
    {
      workers: 1,
      isReloaded: false,
      timeoutMs: 1e9,
      onBundle: () => undefined,
      onWarning: (text) => void notices.push(text),
    },
  );
});
afterEach(async () => {
  await pool.close();
  vi.useRealTimers();
});

const statusOf = async (body = new Uint8Array(1)): Promise<number> => (await pool.ask(body, KIND)).status;
/** Lets promises and immediates settle. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};
/** Loses the only thread; the next `failures.length` starts fail. */
const lose = async (...failures: string[]): Promise<void> => {
  world.failures.push(...failures);
  world.isMortal = true;
  expect(await statusOf()).toBe(503);
  world.isMortal = false;
  await settle();
};

describe('a pool that loses its thread', () => {
  it('starts another one and stays live', async () => {
    await lose();
    expect([pool.isReady, pool.isLive]).toEqual([true, true]);
    expect(await statusOf()).toBe(200);
    expect(notices).toEqual(['m: a thread ended', 'm: started another prediction thread']);
  });

  it('retries after growing pauses until one starts, and is not live meanwhile', async () => {
    await lose('gone', 'gone', 'gone', 'gone');
    expect([pool.isReady, pool.isLive, world.started]).toEqual([false, false, 2]);
    expect(await statusOf()).toBe(503);
    for (const [pauseMs, started] of [
      [100, 3],
      [200, 4],
      [400, 5],
    ] as const) {
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(world.started).toBe(started - 1);
      await vi.advanceTimersByTimeAsync(1);
      await settle();
      expect([world.started, pool.isLive]).toEqual([started, false]);
    }
    await vi.advanceTimersByTimeAsync(800);
    await settle();
    expect([world.started, pool.isReady, pool.isLive]).toEqual([6, true, true]);
    expect(await statusOf()).toBe(200);
    expect(notices).toEqual([
      'm: a thread ended',
      'm: cannot start another prediction thread, retrying: gone',
      'm: started another prediction thread',
    ]);
  });

  it('pauses for half a minute at most', async () => {
    await lose(...Array<string>(50).fill('gone'));
    await vi.advanceTimersByTimeAsync(600_000);
    const { started } = world;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(world.started).toBe(started + 1);
  });

  it('closes immediately during a pause and starts no thread', async () => {
    await lose('gone', 'gone');
    await pool.close();
    await vi.advanceTimersByTimeAsync(600_000);
    expect([world.started, world.closed]).toEqual([2, 1]);
  });

  it('answers 503 to any number of requests without queueing them', async () => {
    await lose('gone', 'gone');
    const large = new Uint8Array(1 << 28);
    expect([await statusOf(large), await statusOf(large)]).toEqual([503, 503]);
    await vi.advanceTimersByTimeAsync(1000);
    await settle();
    expect(await statusOf()).toBe(200);
  });
});

describe('probes', () => {
  const statuses = async (isReady: boolean, isLive: boolean): Promise<number[]> => {
    const models: AppOptions['models'] = {
      names: ['m'],
      isReady,
      isLive,
      pool: () => pool,
    };
    const app = createApp({
      models,
      metrics: new ServeMetrics(
        () => [],
        () => false,
      ),
      limits: { bytes: 100, rows: 10 },
      timeoutMs: 1000,
      token: undefined,
      isDraining: () => false,
      onBug: () => undefined,
    });
    const asked = ['/readyz', '/v2/health/ready', '/healthz', '/v2/health/live'].map((url) =>
      inject((...exchange) => void app.emit('request', ...exchange), url),
    );
    return (await Promise.all(asked)).map(({ statusCode }) => statusCode);
  };

  it('report ready while each model has a thread, and live until none can be started', async () => {
    vi.useRealTimers();
    expect(await statuses(true, true)).toEqual([200, 200, 200, 200]);
    expect(await statuses(false, true)).toEqual([503, 503, 200, 200]);
    expect(await statuses(false, false)).toEqual([503, 503, 503, 503]);
  });
});
