import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { streamSchedule } from '../../src/train/stream-schedule.js';

const CONFIG = `data: { train: log }
features: { user: { type: categorical, fields: [user], width: 4 } }
tasks: { ctr: { label: click } }
model: { name: single-task }
`;

describe('the schedule of checkpoints on a stream', () => {
  it.each([
    ['', { everyMinutes: 5, delta: { everyMinutes: 0.05 }, isPaced: true }],
    ['checkpoints: { keepLast: 3 }', { everyMinutes: 5, delta: { everyMinutes: 0.05 }, keepLast: 3, isPaced: true }],
    // Deltas would lack rows that each step changes.
    ['training: { ema: { decay: 0.9 } }', { everyMinutes: 0.05, isPaced: true }],
    ['checkpoints: { everyMinutes: 60 }', { everyMinutes: 60 }],
    ['checkpoints: { everySteps: 10 }', { everySteps: 10 }],
    ['checkpoints: { delta: { everySteps: 5 } }', { delta: { everySteps: 5 } }],
  ])('with "%s" is %j', (section, expected) => {
    const schedule = streamSchedule(parseConfig(`${CONFIG}${section}\n`, 'stream.yaml'));
    expect(schedule).toEqual({ everyEpochs: 1, keepLast: 2, bestBy: [], ...expected });
  });
});
