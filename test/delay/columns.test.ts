import { describe, expect, it } from 'vitest';
import { countParts, timeParts } from '../../src/delay/columns.js';

const outcome = (read: () => number): unknown => {
  try {
    return read();
  } catch (error) {
    return String(error);
  }
};

describe('parts of a time', () => {
  it.each(['seconds', 'milliseconds'] as const)('of a number of %s equal those of its text', (format) => {
    const [texts, counts] = [timeParts(format), countParts(format)!];
    for (const count of [0, 1, -1, 86_399.999, 86_400, 1_790_000_000, 1_790_000_000.125, 1_790_000_000_123, -5e9, 1e15])
      for (const part of ['day', 'second'] as const) {
        const ofCount = outcome(() => counts[part](count));
        expect([count, part, ofCount]).toEqual([count, part, outcome(() => texts[part](String(count)))]);
      }
    const [count, inSeconds] = format === 'seconds' ? [1_790_000_000.5, 1] : [1_790_000_000_500, 1000];
    expect([counts.day(count), counts.second(count)]).toEqual([
      Math.floor(count / inSeconds / 86_400),
      (count / inSeconds) % 86_400,
    ]);
  });

  it('of dates are read from texts alone', () => {
    expect(countParts('iso')).toBeUndefined();
  });
});
