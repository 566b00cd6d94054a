import { describe, expect, it } from 'vitest';
import { windowLine } from '../../src/cli/format.js';
import type { StreamWindow } from '../../src/training/observer.js';

const OUTPUT = {
  rows: 1_000_000,
  positives: 5000,
  auc: 0.7123,
  gauc: 0.6512,
  logLoss: 0.1234,
  pcoc: 1.0123,
  ne: 0.8765,
};

/** A window with as many values as a stream may have. */
const WINDOW: StreamWindow = {
  window: 120,
  rows: 1_000_000,
  step: 123_456,
  report: { ctr: OUTPUT, cvr: OUTPUT, cvr_all: OUTPUT, ctcvr: OUTPUT },
  records: 1_000_123,
  rejected: 123,
  outOfOrder: 45,
  late: 6,
  skippedBatches: 0,
  lag: { amount: 123_456, unit: 'records' },
  drift: { user: 0.02, item: 0.31, shop: 0.22 },
  alarms: ['ctr.pcoc'],
  elapsedMs: 1000,
  vocabularies: {
    user: {
      rows: 100_000,
      pending: 0,
      admitted: 1000,
      expired: 20,
      evicted: 3,
      dropped: 0,
      occurrences: 9,
      outOfVocabulary: 1,
    },
  },
};

describe('a window of a stream', () => {
  it('has lines of at most 120 characters, and every value', () => {
    const text = windowLine(WINDOW);
    const lines = text.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.slice(1).every((line) => /^ {2}\S/.test(line))).toBe(true);
    const joined = lines
      .map((line) => line.trim())
      .join(' ')
      .replace(/ {2}/g, ' ');
    const metrics = 'auc 0.7123, gauc 0.6512, logLoss 0.1234, pcoc 1.0123, ne 0.8765';
    expect(joined).toBe(
      `window 120, step 123,456 1,000,000 rows ctr ${metrics} cvr ${metrics} cvr_all ${metrics} ctcvr ${metrics} ` +
        '123 invalid (6 late) user 100,000 tokens, 1,000 admitted, 20 expired, 3 evicted, 11.1% out of vocabulary ' +
        'item drift 0.31 shop drift 0.22 lag 123,456 records 1 alarms',
    );
  });

  it('is one line if it is short', () => {
    const report = { ctr: { rows: 1_000_000, positives: 5000, auc: 0.7123 } };
    const short = { ...WINDOW, report, rejected: 0, drift: {}, alarms: [], lag: undefined, vocabularies: {} };
    expect(windowLine(short)).toBe('window 120, step 123,456  1,000,000 rows  ctr auc 0.7123');
  });
});
