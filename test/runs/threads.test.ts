/** @module-tag long */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, dying, mtl, type Death } from '../support/mtl.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

// Threads that die without a word, in a process of their own. A test that hangs fails.

let world: string;
let config: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-threads-'));
  await smallWorld(world);
  config = join(world, 'mmoe.yaml');
}, 30_000);
afterAll(() => rmSync(world, { recursive: true }));

/** Steps large enough to be shared. */
const WIDE = [
  '--set=model.experts.hidden=[256]',
  '--set=training.batchSize=300',
  '--set=training.epochs=2000',
  '--set=training.earlyStopping=null',
  '--set=checkpoints.everySteps=5',
];
const WORDS =
  /^error: a thread exited before its work was done: (exit code 0|out of memory); resume from the last checkpoint with --resume/;

describe('an engine worker that dies', () => {
  const cases = (['exit', 'heap'] as const).flatMap((death) =>
    (['within a step', 'between two steps'] as const).map((moment): [Death['moment'], Death['death']] => [
      moment,
      death,
    ]),
  );
  it.each(cases)(
    '%s ends the run in words with exit code 1, and the newest checkpoint is whole (%s)',
    { timeout: 60_000 },
    async (moment, death) => {
      const cwd = scratchFolder();
      const { code, stderr } = await dying({ victim: 'cpu-worker.cjs', death, moment }, cwd, BIN, [
        'train',
        config,
        '--run-dir',
        'run',
        '--threads=3',
        ...WIDE,
      ]);
      expect(stderr).toMatch(WORDS);
      expect(code).toBe(1);
      expect((await mtl(cwd, ['eval', 'run/checkpoints/last'])).code).toBe(0);
    },
  );

  it.each(['cpu-worker.cjs', 'cpu-guard.cjs'])(
    'before there is anything to run ends the run in the same words (%s)',
    { timeout: 60_000 },
    async (victim) => {
      const cwd = scratchFolder();
      const { code, stderr } = await dying({ victim, death: 'exit', moment: 'before its task' }, cwd, BIN, [
        'train',
        config,
        '--run-dir',
        'run',
        '--threads=3',
        ...WIDE,
      ]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(WORDS) as string]);
    },
  );
});

describe('an encoding thread that dies', () => {
  it.each(['exit', 'heap'] as const)(
    'ends the reading in words, and leaves nothing half (%s)',
    { timeout: 60_000 },
    async (death) => {
      const file = scratchFile('rows.csv', `y,id\n${'0,1\n1,2\n'.repeat(500_000)}`);
      const folder = join(scratchFolder(), 'shards');
      const { code, stderr } = await dying(
        { victim: 'encode-worker.cjs', death, moment: 'at a request' },
        scratchFolder(),
        join(import.meta.dirname, '..', 'support', 'encode-patiently.js'),
        [file, folder],
      );
      expect([code, stderr]).toEqual([
        9,
        expect.stringMatching(/^UserError thread: a thread exited before its work was done/) as string,
      ]);
      expect(existsSync(folder)).toBe(false);
    },
  );
});

describe('a thread that cannot start', () => {
  const notice = (threads: number): string =>
    `cannot start another thread (EAGAIN), so ${threads} are used, with the same results`;

  it.each([
    ['guard.cjs', '0', 1],
    ['cpu-worker.cjs', '0', 1],
    ['cpu-worker.cjs', '1', 2],
  ] as const)(
    'leaves the engine the others, a notice, and the same weights (%s after %s)',
    { timeout: 60_000 },
    async (victim, death, threads) => {
      const args = ['train', config, '--run-dir', 'run', '--threads=4', ...WIDE, '--set=training.epochs=5'];
      const [all, fewer] = [scratchFolder(), scratchFolder()];
      expect((await mtl(all, args)).code).toBe(0);
      const { code, stdout, stderr } = await dying({ victim, death, moment: 'at its start' }, fewer, BIN, args);
      expect([code, stdout + stderr]).toEqual([0, expect.stringContaining(notice(threads)) as string]);
      const weights = (folder: string): Buffer =>
        readFileSync(join(folder, 'run/checkpoints/last/weights.safetensors'));
      expect(weights(fewer).equals(weights(all))).toBe(true);
    },
  );

  it.each([
    ['0', 1],
    ['1', 2],
  ] as const)(
    'leaves the others to encode rows, and the same shards (after %s)',
    { timeout: 60_000 },
    async (death, threads) => {
      const file = scratchFile('rows.csv', `y,id\n${'0,1\n1,2\n'.repeat(500_000)}`);
      const [all, fewer] = [scratchFolder(), scratchFolder()].map((folder) => join(folder, 'shards')) as [
        string,
        string,
      ];
      const script = join(import.meta.dirname, '..', 'support', 'encode-patiently.js');
      await dying({ victim: 'no thread', death, moment: 'at its start' }, scratchFolder(), script, [file, all, '3']);
      const { code, stdout, stderr } = await dying(
        { victim: 'encode-worker.cjs', death, moment: 'at its start' },
        scratchFolder(),
        script,
        [file, fewer, '3'],
      );
      expect([code, stderr, stdout]).toEqual([0, '', expect.stringContaining(notice(threads)) as string]);
      const manifest = (folder: string): string => readFileSync(join(folder, 'manifest.json'), 'utf8');
      // It has the hash of every shard.
      expect(manifest(fewer)).toBe(manifest(all));
    },
  );
});
