/** @module-tag long */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { readCheckpoint, type Checkpoint } from '../../src/runs/checkpoint.js';
import { readChain } from '../../src/runs/delta.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { contentOf, GROWING, growingRows, writeGrowingConfig } from '../support/growing-world.js';
import { mtl } from '../support/mtl.js';
// @ts-expect-error a script without types
import * as script from '../support/growing-stream.js';

// How often a training is killed: MTL_KILLS=30 npx vitest run test/runs/growing-stream.test.ts
const KILLS = Number(process.env['MTL_KILLS'] ?? 2);
const STEPS = 40;
const SCRIPT = join(import.meta.dirname, '..', 'support', 'growing-stream.js');

/** The end of a training. */
interface End extends Pick<Checkpoint, 'program' | 'fitted'> {
  readonly report: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly predictions: readonly Float32Array[];
}
const { trainOnStream } = script as {
  trainOnStream(config: string, data: string, run: string, threads: number, steps: number): Promise<End>;
};

/** Other policies of admission and eviction. */
const POLICIES = {
  sketch:
    'capacity: 45, admit: { name: sketch, count: 2, memory: 1kB, halveEvery: 90 }, expire: { unseen: 6h }, evict: lfu',
  probability:
    'capacity: 45, admit: { name: probability, probability: 0.4 }, expire: { unseen: { steps: 6 } }, evict: lfu',
};

let world: string;
let full: string;
let deltas: string;
let whole: End;
const pathOf = (...names: readonly string[]): string => join(world, ...names);
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-growing-'));
  writeFileSync(pathOf('fit.csv'), growingRows(0, 100));
  writeFileSync(pathOf('stream.csv'), growingRows(60, 16 * STEPS));
  full = writeGrowingConfig(world, 'full', GROWING, 'everySteps: 1, keepLast: 100');
  deltas = writeGrowingConfig(world, 'deltas', GROWING, 'everySteps: 9, delta: { everySteps: 1 }, keepLast: 100');
  whole = await trainOnStream(full, pathOf('stream.csv'), pathOf('whole'), 1, STEPS);
  await trainOnStream(deltas, pathOf('stream.csv'), pathOf('deltas'), 1, STEPS);
});

const read = (run: string, step: number, isShared = false): Promise<Checkpoint> =>
  readCheckpoint(pathOf(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`), {
    withOptimizer: true,
    isShared,
  });

/** Trains until the end, and kills the process at random; returns the number of kills. */
async function killAndResume(config: string, run: string): Promise<number> {
  const random = randomStream(0, 'kill');
  let kills = 0;
  for (let end: number | null = null; end !== 0;) {
    const args = [SCRIPT, config, pathOf('stream.csv'), pathOf(run), '1', String(STEPS)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const until = 1 + random.below(Math.ceil((2 * STEPS) / KILLS));
    let steps = 0;
    child.stdout.on('data', (text: Buffer) => {
      steps += text.toString().split('\n').length - 1;
      // At a random moment of a step, which takes about a millisecond, or of its save.
      if (kills < KILLS && steps >= until) setTimeout(() => child.kill('SIGKILL'), random.uniform() * 10);
    });
    end = await new Promise<number | null>((resolve) => child.on('close', resolve));
    if (end === null) kills++;
    else expect(end).toBe(0);
  }
  return kills;
}

describe('a stream with new and vanishing tokens', () => {
  it('admits, expires, evicts and drops tokens, and reuses rows', () => {
    const { item } = whole.report;
    for (const count of ['admitted', 'expired', 'evicted', 'dropped', 'outOfVocabulary'])
      expect(item![count], count).toBeGreaterThan(0);
    // Row 0 is out of vocabulary.
    for (const table of ['item', 'wide.item', 'wide.seen'])
      expect(whole.program.weights.get(`embeddings.${table}`)!.shape[0]).toBe(46);
  });

  it('gives the same ids and bits on any number of threads', async () => {
    const other = await trainOnStream(full, pathOf('stream.csv'), pathOf('threads'), 3, STEPS);
    expect(contentOf(other)).toEqual(contentOf(whole));
    expect(other.predictions).toEqual(whole.predictions);
  });

  it('has deltas that restore what full checkpoints do', async () => {
    const lengths: number[] = [];
    for (let step = 1; step <= STEPS; step++) {
      const folder = pathOf('deltas', 'checkpoints', `step-${String(step).padStart(8, '0')}`);
      lengths.push((await readChain(folder)).deltas.length);
      const expected = contentOf(await read('whole', step));
      for (const isShared of [false, true]) expect(contentOf(await read('deltas', step, isShared))).toEqual(expected);
    }
    expect(Math.max(...lengths)).toBeGreaterThan(4);
  });

  const killing = { timeout: 60_000 + 20_000 * KILLS, tags: ['nightly'] };
  it(`continues to the same bits after kill -9, ${KILLS} times`, killing, async () => {
    expect(await killAndResume(deltas, 'killed')).toBeGreaterThan(0);
    expect(contentOf(await read('killed', STEPS))).toEqual(contentOf(whole));
  });

  it.each(Object.entries(POLICIES))(
    'gives the same bits with other policies, from deltas and after kill -9: %s',
    { timeout: 120_000 + 20_000 * KILLS },
    async (name, encoding) => {
      const [ofFull, ofDeltas] = [`${name}-full`, `${name}-deltas`];
      const config = writeGrowingConfig(world, ofFull, encoding, 'everySteps: 1, keepLast: 100');
      const end = await trainOnStream(config, pathOf('stream.csv'), pathOf(ofFull), 1, STEPS);
      for (const count of ['admitted', 'expired', 'evicted', 'outOfVocabulary'])
        expect(end.report['item']![count], count).toBeGreaterThan(0);
      const other = writeGrowingConfig(
        world,
        ofDeltas,
        encoding,
        'everySteps: 9, delta: { everySteps: 1 }, keepLast: 100',
      );
      expect(await killAndResume(other, ofDeltas)).toBeGreaterThan(0);
      const lengths: number[] = [];
      for (let step = 1; step <= STEPS; step++) {
        const folder = pathOf(ofDeltas, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
        lengths.push((await readChain(folder)).deltas.length);
        expect(contentOf(await read(ofDeltas, step))).toEqual(contentOf(await read(ofFull, step)));
      }
      expect(Math.max(...lengths)).toBeGreaterThan(1);
    },
  );

  it('is the same as without a capacity if no token comes or goes', async () => {
    writeFileSync(pathOf('known.csv'), growingRows(20, 320, 19));
    const plain = writeGrowingConfig(world, 'plain', 'minCount: 1', 'everySteps: 100, keepLast: 100');
    const capable = writeGrowingConfig(world, 'capable', 'capacity: 1000', 'everySteps: 100, keepLast: 100');
    const train = (config: string, run: string): Promise<End> =>
      trainOnStream(config, pathOf('known.csv'), pathOf(run), 1, 20);
    const [expected, found] = [await train(plain, 'plain'), await train(capable, 'capable')];
    expect(found.report['item']).toMatchObject({ admitted: 0, expired: 0, evicted: 0, outOfVocabulary: 0 });
    expect(contentOf({ ...found, fitted: {} })).toEqual(contentOf({ ...expected, fitted: {} }));
    expect(found.predictions).toEqual(expected.predictions);
  });
});

describe('a checkpoint of a growing vocabulary', () => {
  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await mtl(world, args);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    return stdout;
  };

  const every = { timeout: 300_000 };
  it('is read by predict, eval, export, diff and a warm start, as a delta like as a full one', every, async () => {
    const [ofDelta, ofFull] = ['deltas', 'whole'].map((name) => `${name}/checkpoints/step-000000${STEPS}`);
    expect((await readChain(pathOf(ofDelta!))).deltas.length).toBeGreaterThan(0);
    for (const [model, out] of [
      [ofDelta!, 'delta.csv'],
      [ofFull!, 'full.csv'],
    ] as const)
      await run('predict', model, '--data', 'stream.csv', '--out', out);
    expect(readFileSync(pathOf('delta.csv'), 'utf8')).toBe(readFileSync(pathOf('full.csv'), 'utf8'));
    expect(await run('eval', ofDelta!, '--data', 'stream.csv')).toContain('ctr');
    for (const format of ['onnx', 'safetensors', 'embeddings'])
      await run('export', ofDelta!, '--format', format, '--out', `exported.${format === 'embeddings' ? 'd' : format}`);
    expect(await run('diff', ofDelta!, ofFull!, '--data', 'stream.csv')).toContain('ctr');
    writeFileSync(pathOf('warm.yaml'), `${readFileSync(full, 'utf8')}initFrom: { checkpoint: ${ofDelta!} }\n`);
    await run('train', 'warm.yaml', '--run-dir', 'warm', '--set=training.epochs=1');
    expect(await listCheckpoints(pathOf('warm'))).not.toEqual([]);
  });
});
