import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../src/core/random.js';
import { TimeHeap, type TimedSlot } from '../../../src/data/replay/time-heap.js';

describe('slots by time', () => {
  it.each([
    ['all wait equally long', () => 200],
    ['some wait longer', (random: () => number) => (random() < 0.3 ? 200 : Math.floor(40 * random()))],
    ['all wait differently', (random: () => number) => Math.floor(400 * random())],
  ])('come out in the order of time, then number, if %s', (_, waitOf) => {
    const random = randomStream(4, 'heap');
    const heap = new TimeHeap();
    const waiting: TimedSlot[] = [];
    const byTime = (a: TimedSlot, b: TimedSlot): number => a.timeMs - b.timeMs || a.number - b.number;
    let numPopped = 0;
    for (let number = 0; number < 6000; number++) {
      const now = Math.floor(number / 7);
      const each = { timeMs: now + waitOf(() => random.uniform()), number, slot: random.below(1 << 20) };
      heap.push(each.timeMs, each.number, each.slot);
      waiting.push(each);
      const due = waiting.filter(({ timeMs }) => timeMs < now).sort(byTime);
      for (const expected of due) {
        expect(heap.first).toBe(expected.timeMs);
        expect(heap.pop()).toEqual(expected);
        waiting.splice(waiting.indexOf(expected), 1);
        numPopped++;
      }
    }
    expect(numPopped).toBeGreaterThan(4000);
    for (const expected of waiting.sort(byTime)) expect(heap.pop()).toEqual(expected);
    expect(heap.first).toBe(Infinity);
  });
});
