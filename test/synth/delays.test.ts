import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthDelays } from '../../src/synth.js';
import { DelayLog, WINDOW_DAYS } from '../../src/synth/delays.js';
import { scratchFolder } from '../support/scratch.js';

const SIZE = { seed: 5, rows: 40_000, days: 28, rate: 0.2 };
const WINDOW_SECONDS = WINDOW_DAYS * 86_400;

describe('a log with delayed conversions', () => {
  it('has conversions at the stated probabilities, within four standard errors in each range of probabilities', () => {
    const log = new DelayLog(SIZE);
    const ranges = Array.from({ length: 5 }, () => ({ expected: 0, variance: 0, found: 0 }));
    let last = 0;
    for (let row = 0; row < SIZE.rows; row++) {
      const { probability, time, eventTime } = log.next();
      const range = ranges[Math.min(4, Math.floor(10 * probability))]!;
      range.expected += probability;
      range.variance += probability * (1 - probability);
      range.found += eventTime === undefined ? 0 : 1;
      expect(time).toBeGreaterThanOrEqual(last);
      last = time;
      if (eventTime !== undefined) expect(eventTime - time).toBeLessThanOrEqual(WINDOW_SECONDS);
    }
    for (const { expected, variance, found } of ranges)
      expect(Math.abs(found - expected)).toBeLessThan(4 * Math.sqrt(variance));
  });

  it('writes the rows of the log, split in order of time, and the same bytes again', async () => {
    const [a, b] = [scratchFolder(), scratchFolder()];
    const options = { ...SIZE, rows: { train: 300, test: 100 } };
    for (const folder of [a, b]) await synthDelays({ ...options, folder });
    const read = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8');
    const lines = ['train', 'test'].flatMap((name) => read(a, `${name}.csv`).trimEnd().split('\n').slice(1));
    const log = new DelayLog({ ...SIZE, rows: 400 });
    expect(lines).toEqual(
      Array.from({ length: 400 }, () => {
        const { ids, time, eventTime, day, probability } = log.next();
        const { user, item, category, device } = ids;
        const label = eventTime === undefined ? 0 : 1;
        const decimal = String(Math.round(10_000 * probability) / 10_000);
        return [time, eventTime ?? '', label, day, user, item, category, device, decimal].join(',');
      }),
    );
    for (const name of ['train.csv', 'test.csv', 'oracle.json']) expect(read(b, name)).toBe(read(a, name));
    expect(JSON.parse(read(a, 'oracle.json'))).toMatchObject({ delay: true, train: { cvr: { rows: 300 } } });
  });
});
