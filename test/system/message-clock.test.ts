import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { awaitTick, createMessageClock, tick } from '../../src/system/message-clock.js';

describe('a clock of messages', () => {
  it('numbers messages from 1, and after 2^31 - 1 from -2^31', () => {
    const clock = createMessageClock();
    expect([tick(clock), tick(clock)]).toEqual([1, 2]);
    awaitTick(clock, 1);
    Atomics.store(clock, 0, 2 ** 31 - 1);
    expect(tick(clock)).toBe(-(2 ** 31));
    // Numbers before it are counted.
    awaitTick(clock, 2 ** 31 - 1);
    awaitTick(clock, -(2 ** 31));
  });

  it('waits for a message that another thread has not counted yet', async () => {
    const clock = createMessageClock();
    const code = `
      const { workerData: clock, parentPort } = require('node:worker_threads');
      parentPort.postMessage('started');
      const end = Date.now() + 50;
      while (Date.now() < end);
      Atomics.add(clock, 0, 1);`;
    const worker = new Worker(code, { eval: true, workerData: clock });
    await once(worker, 'message');
    awaitTick(clock, 1);
    expect(Atomics.load(clock, 0)).toBe(1);
    await worker.terminate();
  });
});
