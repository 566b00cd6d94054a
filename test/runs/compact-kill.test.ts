/** @module-tag nightly */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { isTemporary } from '../../src/io/temporary.js';
import { readCheckpoint, readNewestCheckpoint } from '../../src/runs/checkpoint.js';
import { compactCheckpoint } from '../../src/runs/compact.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { contentOf, GROWING, growingRows, writeGrowingConfig } from '../support/growing-world.js';

// How often processes are killed: MTL_KILLS=200 npx vitest run test/runs/compact-kill.test.ts
const KILLS = Number(process.env['MTL_KILLS'] ?? 4);
const SEED = Number(process.env['MTL_KILL_SEED'] ?? 0);
const STEPS = 30 + 3 * KILLS;
const [TRAINING, COMPACTING] = ['growing-stream.js', 'compact-again.js'].map((name) =>
  join(import.meta.dirname, '..', 'support', name),
) as [string, string];

/**
 * Runs a script, and kills it at a random moment after some of its lines.
 * @param signal kills it at once
 * @returns its exit code, which is null after a kill, and its lines
 */
async function runAndKill(
  args: readonly string[],
  maxLines: number,
  random: ReturnType<typeof randomStream>,
  signal?: AbortSignal,
): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill);
  let text = '';
  let isKilling = false;
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (isKilling || text.split('\n').length <= maxLines) return;
    isKilling = true;
    setTimeout(kill, random.uniform() * 40);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  signal?.removeEventListener('abort', kill);
  return { code, lines: text.split('\n').slice(0, -1) };
}

it(
  `restores what was saved while deltas are compacted, with ${KILLS} kills of the training or the compaction`,
  { timeout: 120_000 + 20_000 * KILLS },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mtl-compact-kill-'));
    const [stream, run, whole] = ['stream.csv', 'killed', 'whole'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(join(folder, 'fit.csv'), growingRows(0, 100));
    writeFileSync(stream, growingRows(60, 16 * STEPS));
    const config = writeGrowingConfig(folder, 'deltas', GROWING, 'delta: { everySteps: 1 }, keepLast: 2');
    const training = (to: string): readonly string[] => [TRAINING, config, stream, to, '1', String(STEPS)];
    const expected = runAndKill(training(whole), Infinity, randomStream(SEED, 'whole'));
    let [kills, compacted] = [0, 0];
    const end = new AbortController();
    const compacting = (async () => {
      const random = randomStream(SEED, 'compaction');
      while (!end.signal.aborted) {
        const { code, lines } = await runAndKill([COMPACTING, run], 1 + random.below(8), random, end.signal);
        expect(code).toBeNull();
        compacted += lines.length - 1;
        kills++;
      }
    })();
    const random = randomStream(SEED, 'training');
    for (let code: number | null = null; code !== 0;) {
      const isLast = kills >= KILLS;
      const ended = await runAndKill(training(run), isLast ? Infinity : 1 + random.below(10), random);
      ({ code } = ended);
      expect(code).toBe(isLast || code === 0 ? 0 : null);
      if (code === null) kills++;
      // The checkpoint of a step is complete when the step is printed.
      const saved = Number(/\d+/.exec(ended.lines.at(-1) ?? '0')![0]);
      const { checkpoint, damaged } = await readNewestCheckpoint(run, () => undefined);
      expect(damaged).toEqual([]);
      expect(checkpoint?.program.step ?? 0).toBeGreaterThanOrEqual(saved);
    }
    end.abort();
    await compacting;
    expect((await expected).code).toBe(0);
    const name = `step-${String(STEPS).padStart(8, '0')}`;
    const read = async (of: string): Promise<unknown> =>
      contentOf(await readCheckpoint(join(of, 'checkpoints', name), { withOptimizer: true }));
    expect(await read(run)).toEqual(await read(whole));
    for (const each of await listCheckpoints(run)) await readCheckpoint(join(run, 'checkpoints', each));
    // A compaction that was killed leaves a temporary directory, which the next one removes.
    await compactCheckpoint(join(run, 'checkpoints', name));
    expect(readdirSync(join(run, 'checkpoints', name)).filter(isTemporary)).toEqual([]);
    expect(await read(run)).toEqual(await read(whole));
    expect(existsSync(join(run, 'checkpoints', name, 'manifest.json'))).toBe(true);
    expect(compacted).toBeGreaterThan(0);
    console.log(`${kills} kills, ${compacted} compactions, ${STEPS} steps`);
  },
);
