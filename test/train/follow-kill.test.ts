/** @module-tag long */
import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { eachByNight } from '../support/each-by-night.js';
import { eventFiles, StreamWriter, streamTrace, writeStreamConfig } from '../support/event-stream.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

// How often a training on a stream is killed: MTL_KILLS=30 npx vitest run test/train/follow-kill.test.ts
const KILLS = Number(process.env['MTL_KILLS'] ?? 2);
const SEED = Number(process.env['MTL_KILL_SEED'] ?? 0);
const LONGEST_MS = 1500;

const SCHEDULES = {
  full: [],
  'histories of clicks': [
    '--set=data.sequences={ clicks: { of: click, key: user, time: time, until: time } }',
    '--set=features.history={ type: sequence, fields: [{ name: clicks.item, target: item }], encoder: pooling }',
  ],
  'deltas with counters': [
    '--set=checkpoints.everySteps=null',
    '--set=checkpoints.delta.everySteps=1',
    '--set=data.counters={ time: time, format: seconds, delay: 30s, tolerance: 10s, count: {} }',
    '--set=data.counters.count.clicks={ by: item, of: click, within: 5m }',
    '--set=features.recent={ type: numeric, fields: [clicks], scaling: standard }',
  ],
};

describe('training on a stream that is written meanwhile', () => {
  eachByNight([['full'], ['histories of clicks'], ['deltas with counters']] as const)(
    `gives the same bytes as one run on the final log, killed ${KILLS} times: %s`,
    { timeout: 120_000 + KILLS * 20_000 },
    async (schedule) => {
      const cwd = scratchFolder();
      writeStreamConfig(cwd);
      const files = eventFiles(5, 1200);
      const writer = new StreamWriter(join(cwd, 'log'), files);
      const random = randomStream(SEED, 'kill', schedule);
      const bytesPerPiece = Math.ceil(files.reduce((sum, { text }) => sum + text.length, 0) / (30 * KILLS));
      const timer = setInterval(() => writer.append(1 + random.below(2 * bytesPerPiece)), 50);
      onTestFinished(() => clearInterval(timer));
      const args = ['train', 'stream.yaml', '--follow', '--no-report', ...SCHEDULES[schedule]];
      for (let kills = 0; kills < KILLS; kills++) {
        let isStarted = false;
        const { code, stderr } = await mtl(cwd, [...args, '--resume', 'auto', '--run-dir', 'killed'], (text, kill) => {
          if (isStarted || !text.includes('engine')) return;
          isStarted = true;
          setTimeout(() => kill('SIGKILL'), random.uniform() * LONGEST_MS);
        });
        expect([code, stderr]).toEqual([null, '']);
      }
      clearInterval(timer);
      writer.finish();
      const ended = await mtl(cwd, [...args, '--until-end', '--resume', 'auto', '--run-dir', 'killed']);
      expect([ended.code, ended.stderr]).toEqual([0, '']);
      const whole = await mtl(cwd, [...args, '--until-end', '--run-dir', 'whole']);
      expect([whole.code, whole.stderr]).toEqual([0, '']);
      const { rejects } = await streamTrace(join(cwd, 'whole'));
      expect((rejects as string).split('\n').length).toBeGreaterThan(20);
      expect(await streamTrace(join(cwd, 'killed'))).toEqual(await streamTrace(join(cwd, 'whole')));
      if (KILLS > 5) expect(ended.stdout).toContain('resumed');
    },
  );
});
