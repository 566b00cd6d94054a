/** @module-tag long */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { readCheckpoint, type Checkpoint } from '../../src/runs/checkpoint.js';
import { readChain } from '../../src/runs/delta.js';
import { manifestDigest, readManifest } from '../../src/runs/manifest.js';
import { listCheckpoints, listLinked } from '../../src/runs/retention.js';
import { thinCheckpoints } from '../../src/runs/remove-runs.js';
import { checkpointOf, DELTAS, FULL, nameOf, trainUntil } from '../support/delta-runs.js';
import { smallWorld, trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-delta-'));
  await smallWorld(world);
});
const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

const configOf = (model: string): string => join(world, `${model}.yaml`);

/** The tensors of a checkpoint as bytes. */
function bytesOf({ program }: Checkpoint): Record<string, string> {
  return Object.fromEntries(
    [...program.weights, ...program.optimizer].map(([name, tensor]) => [
      name,
      Buffer.from(Float32Array.from(tensor.data).buffer).toString('base64'),
    ]),
  );
}

/** Times, and sizes of logs that have the changed options of a run. */
const NOT_COMPARED = new Set(['elapsedMs', 'metricsBytes', 'bytes']);
const sectionsOf = ({ sections }: Checkpoint): object =>
  JSON.parse(JSON.stringify(sections, (key, value: unknown) => (NOT_COMPARED.has(key) ? 0 : value))) as object;

describe('a chain of deltas', () => {
  it.each(['esmm', 'mmoe'])('restores bitwise what a full checkpoint of the same step does: %s', async (model) => {
    await trainUntil(configOf(model), 9, 'full', FULL);
    await trainUntil(configOf(model), 9, 'deltas', DELTAS);
    const lengths: number[] = [];
    for (let step = 1; step <= 9; step++) {
      const folder = checkpointOf('deltas', step);
      lengths.push((await readChain(folder)).deltas.length);
      for (const isShared of [false, true]) {
        const expected = await readCheckpoint(checkpointOf('full', step), { withOptimizer: true });
        const restored = await readCheckpoint(folder, { withOptimizer: true, isShared });
        expect(bytesOf(restored)).toEqual(bytesOf(expected));
        expect(sectionsOf(restored)).toEqual(sectionsOf(expected));
        expect([restored.fitted, restored.program.step]).toEqual([expected.fitted, step]);
      }
    }
    expect(lengths.slice(0, 4)).toEqual([0, 1, 2, 3]);
  });

  it('resumes to the bytes of an uninterrupted run', async () => {
    await trainSmall(configOf('esmm'), { runDir: 'whole', set: FULL });
    await trainUntil(configOf('esmm'), 7, 'run', DELTAS);
    expect((await readChain(checkpointOf('run', 7))).deltas.length).toBeGreaterThan(0);
    await trainSmall(configOf('esmm'), { resume: 'run', set: DELTAS });
    const last = async (run: string): Promise<object> => {
      const checkpoint = await readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
      return [bytesOf(checkpoint), sectionsOf(checkpoint), readFileSync(join(run, 'results.csv'), 'utf8')];
    };
    expect(await last('run')).toEqual(await last('whole'));
  });

  it('writes the rows of its batches only, and nothing that training does not change', async () => {
    await trainUntil(configOf('esmm'), 3, 'run', DELTAS);
    const folder = checkpointOf('run', 2);
    const rows = await readSafetensors(join(folder, 'rows.safetensors'));
    const weights = await readSafetensors(join(folder, 'weights.safetensors'));
    const base = await readCheckpoint(checkpointOf('run', 1), { withOptimizer: true });
    for (const [name, { data }] of rows) {
      const [numRows, width] = base.program.weights.get(name)!.shape;
      expect(weights.get(name)!.shape).toEqual([data.length, width]);
      // A batch has 64 rows, each with one id of a field.
      expect(data.length).toBeLessThanOrEqual(Math.min(numRows!, 64));
      expect(data.length).toBeGreaterThan(0);
    }
    expect([...rows.keys()].sort()).toEqual(['101', '121', '122', '205', '206'].map((field) => `embeddings.${field}`));
    const sizeOf = (step: number, file: string): number => statSync(join(checkpointOf('run', step), file)).size;
    expect(sizeOf(2, 'optimizer.safetensors')).toBeLessThan(sizeOf(1, 'optimizer.safetensors') / 4);
    expect(existsSync(join(folder, 'features.json'))).toBe(false);
  });

  it('lists its base and the deltas between both', async () => {
    await trainUntil(configOf('esmm'), 4, 'run', DELTAS);
    const ids = await Promise.all(
      [1, 2, 3].map(async (step) => ({
        name: nameOf(step),
        sha256: await manifestDigest(checkpointOf('run', step)),
      })),
    );
    const { base, segments } = await readManifest(checkpointOf('run', 4));
    expect([base, ...segments!]).toEqual(ids);
  });

  it('starts with a full checkpoint again once its deltas would be larger than the first', async () => {
    await trainUntil(configOf('esmm'), 12, 'run', [...DELTAS, 'features.user.encoding={ name: hash, buckets: 300 }']);
    const sizes = await Promise.all(
      (await listCheckpoints('run')).map(async (name) => (await readChain(join('run/checkpoints', name))).deltas),
    );
    const full = sizes.filter((deltas) => deltas.length === 0).length;
    expect(full).toBeGreaterThan(1);
    expect(full).toBeLessThan(12);
    for (const deltas of sizes) {
      const bytes = deltas.reduce((sum, { manifest }) => sum + manifest.files['weights.safetensors']!.bytes, 0);
      expect(bytes).toBeLessThan(1.2 * statSync(join(checkpointOf('run', 1), 'weights.safetensors')).size);
    }
  });

  it('keeps the checkpoints that a kept delta requires', async () => {
    await trainUntil(configOf('esmm'), 5, 'run', [...DELTAS, 'checkpoints.keepLast=1']);
    const names = [1, 2, 3, 4, 5].map((step) => `step-0000000${step}`);
    expect((await listCheckpoints('run')).toReversed()).toEqual(names);
    expect((await thinCheckpoints(['run'], false)).paths).toEqual([]);
    await trainUntil(configOf('esmm'), 15, 'other', [...DELTAS, 'checkpoints.keepLast=1']);
    // The checkpoint of the epoch is full, so that no older one is required.
    await trainSmall(configOf('esmm'), { resume: 'other', set: [...DELTAS, 'checkpoints.keepLast=1'] });
    const linked = await listLinked('other');
    expect(await listCheckpoints('other')).toEqual([...new Set(linked)].sort().toReversed());
  });
});

describe('a delta without the checkpoints before it', () => {
  it('is rejected with the name of the missing directory', async () => {
    await trainUntil(configOf('esmm'), 3, 'run', DELTAS);
    renameSync(checkpointOf('run', 2), 'moved');
    await expect(readCheckpoint(checkpointOf('run', 3))).rejects.toThrow(
      'run/checkpoints/step-00000003: a delta that requires run/checkpoints/step-00000002, which does not exist',
    );
    rmSync(checkpointOf('run', 1), { recursive: true });
    await expect(readCheckpoint('moved')).rejects.toThrow(/a delta that requires step-00000001, which does not exist/);
  });

  it('is rejected if another checkpoint has their place, and resuming uses an older one', async () => {
    await trainUntil(configOf('esmm'), 3, 'run', DELTAS);
    await trainUntil(configOf('esmm'), 2, 'other', [...DELTAS, 'seed=12']);
    rmSync(checkpointOf('run', 2), { recursive: true });
    renameSync(checkpointOf('other', 2), checkpointOf('run', 2));
    await expect(readCheckpoint(checkpointOf('run', 3))).rejects.toThrow(/the SHA-256 of its manifest differs/);
    await expect(readCheckpoint(checkpointOf('run', 2))).rejects.toThrow(/the SHA-256 of its manifest differs/);
    const warnings: string[] = [];
    await trainSmall(configOf('esmm'), {
      resume: 'run',
      set: DELTAS,
      on: { onWarning: (text) => warnings.push(text) },
    });
    expect(warnings.join('\n')).toContain('resumed run/checkpoints/step-00000001');
  });
});

describe('deltas of a training that changes every row', () => {
  it.each([
    ['training.optimizer.embeddings.lazy=false', /training\.optimizer\.embeddings\.lazy: false changes every row/],
    ['training.ema={ decay: 0.99 }', /training\.ema changes the average of every row/],
  ])('are rejected: %s', async (set, message) => {
    await expect(trainSmall(configOf('esmm'), { runDir: 'run', set: [...DELTAS, set] })).rejects.toThrow(message);
  });
});
