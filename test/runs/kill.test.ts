/** @module-tag long */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { eachByNight } from '../support/each-by-night.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, traceOf } from '../support/small-run.js';

// How often a training is killed, and what decides when: MTL_KILLS=50 MTL_KILL_SEED=1 npx vitest run
// test/runs/kill.test.ts
const KILLS = Number(process.env['MTL_KILLS'] ?? 1);
const SEED = Number(process.env['MTL_KILL_SEED'] ?? 0);
/** Epochs of a training, and about how long it takes from its first line on. */
const [EPOCHS, LONGEST_MS] = KILLS > 5 ? [8, 1200] : [3, 400];

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-kill-'));
  await smallWorld(world);
});

/** Checkpoints at every step: full ones, or deltas of tables of many rows. */
const SCHEDULES = {
  full: ['--set=checkpoints.everySteps=1'],
  deltas: [
    '--set=checkpoints.everySteps=null',
    '--set=checkpoints.delta.everySteps=1',
    '--set=features.user.encoding={ name: hash, buckets: 2000 }',
  ],
};

describe('kill -9 at any moment', () => {
  eachByNight([
    ['esmm', 'full'],
    ['mmoe', 'full'],
    ['esmm', 'deltas'],
    ['mmoe', 'deltas'],
  ] as const)(
    `leaves what goes on to the same bytes, ${KILLS} times: %s, %s`,
    { timeout: 60_000 + KILLS * 10_000 },
    async (model, schedule) => {
      const cwd = scratchFolder();
      const args = [
        'train',
        join(world, `${model}.yaml`),
        `--set=training.epochs=${EPOCHS}`,
        ...SCHEDULES[schedule],
        '--set=training.earlyStopping=null',
      ];
      expect((await mtl(cwd, [...args, '--run-dir', 'whole'])).code).toBe(0);
      const whole = traceOf(join(cwd, 'whole'));
      const random = randomStream(SEED, 'kill', model, schedule);
      let kills = 0;
      let resumes = 0;
      for (let run = 1; kills < KILLS; run++) {
        for (;;) {
          let isStarted = false;
          const { code, stdout, stderr } = await mtl(
            cwd,
            [...args, '--resume', 'auto', '--run-dir', `run-${run}`],
            (text, kill) => {
              if (isStarted || kills >= KILLS || !text.includes('\nengine')) return;
              isStarted = true;
              setTimeout(() => kill('SIGKILL'), random.uniform() * LONGEST_MS);
            },
          );
          if (stdout.includes('resumed run-')) resumes++;
          if (code === 0) break;
          expect([code, stderr]).toEqual([null, '']);
          kills++;
        }
        expect(traceOf(join(cwd, `run-${run}`))).toEqual(whole);
      }
      // Killed before the first save, it starts anew instead.
      if (KILLS > 5) expect(resumes).toBeGreaterThan(0);
    },
  );
});
