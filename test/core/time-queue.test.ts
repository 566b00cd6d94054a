import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { TimeQueue } from '../../src/core/time-queue.js';

interface Entry {
  readonly time: number;
  readonly order: number;
  readonly id: number;
  readonly value: number;
}

function popFrom(queue: TimeQueue): Entry {
  queue.pop();
  const { time, order, id, value } = queue;
  return { time, order, id, value };
}

describe('entries by time', () => {
  it.each([
    ['all wait equally long', () => 200],
    ['some wait longer', (random: () => number) => (random() < 0.3 ? 200 : Math.floor(40 * random()))],
    ['all wait differently', (random: () => number) => Math.floor(400 * random())],
  ])('come out by time, then order, if %s', (_, waitOf) => {
    const random = randomStream(4, 'heap');
    const queue = new TimeQueue();
    const waiting: Entry[] = [];
    const byTime = (a: Entry, b: Entry): number => a.time - b.time || a.order - b.order;
    let numPopped = 0;
    for (let i = 0; i < 6000; i++) {
      const now = Math.floor(i / 7);
      const each = {
        time: now + waitOf(() => random.uniform()),
        order: random.below(3) === 0 ? -i : i,
        id: random.below(1 << 20),
        value: random.uniform(),
      };
      queue.push(each.time, each.order, each.id, each.value);
      waiting.push(each);
      const due = waiting.filter(({ time }) => time < now).sort(byTime);
      for (const expected of due) {
        expect(queue.first).toBe(expected.time);
        expect(popFrom(queue)).toEqual(expected);
        waiting.splice(waiting.indexOf(expected), 1);
        numPopped++;
      }
    }
    expect(numPopped).toBeGreaterThan(4000);
    const rest = waiting.sort(byTime);
    const visited: Omit<Entry, 'order'>[] = [];
    queue.each((time, id, value) => visited.push({ time, id, value }));
    expect(visited).toEqual(rest.map(({ time, id, value }) => ({ time, id, value })));
    for (const expected of rest) expect(popFrom(queue)).toEqual(expected);
    expect(queue.first).toBe(Infinity);
  });
});
