/** @module-tag long */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../support/small-run.js';

const AVERAGE = ['training.ema.decay=0.9', 'training.epochs=2'];
let world: string;
let config: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-average-'));
  await smallWorld(world);
  config = join(world, 'mmoe.yaml');
}, 60_000);

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

const tensorsOf = async (checkpoint: string, file: string): Promise<ReadonlyMap<string, Float32Array>> =>
  new Map(
    [...(await readSafetensors(join(checkpoint, `${file}.safetensors`)))].map(([name, { data }]) => [
      name,
      data as Float32Array,
    ]),
  );

describe('a run with EMA weights', () => {
  it('trains as without, and evaluates and saves the average', async () => {
    await trainSmall(config, { runDir: 'plain', set: ['training.epochs=2', 'training.earlyStopping=null'] });
    await trainSmall(config, { runDir: 'averaged', set: [...AVERAGE, 'training.earlyStopping=null'] });
    const [plain, weights, optimizer] = await Promise.all([
      tensorsOf('plain/checkpoints/last', 'weights'),
      tensorsOf('averaged/checkpoints/last', 'weights'),
      tensorsOf('averaged/checkpoints/last', 'optimizer'),
    ]);
    const isTrained = (name: string): boolean => optimizer.has(`${name}.trained`);
    expect([...plain.keys()].filter((name) => !isTrained(name)).every((name) => /running/i.test(name))).toBe(true);
    for (const [name, data] of plain)
      expect(isTrained(name) ? optimizer.get(`${name}.trained`) : weights.get(name), name).toEqual(data);
    expect(
      [...plain].filter(([name, data]) => isTrained(name) && data.some((w, i) => w !== weights.get(name)![i])),
    ).not.toHaveLength(0);
    expect(readFileSync('averaged/results.csv', 'utf8')).not.toEqual(readFileSync('plain/results.csv', 'utf8'));
  });

  it('has the same metrics in mtl eval', async () => {
    const trained = await mtl(process.cwd(), [
      'train',
      config,
      ...AVERAGE.map((each) => `--set=${each}`),
      '--run-dir',
      'run',
      '--json',
    ]);
    expect(trained.code).toBe(0);
    const evaluated = await mtl(process.cwd(), ['eval', 'run', '--json']);
    expect((JSON.parse(evaluated.stdout) as { metrics: object }).metrics).toEqual(
      (JSON.parse(trained.stdout) as { metrics: object }).metrics,
    );
  });

  it('resumes byte for byte after stops within an epoch and at its end', async () => {
    await trainSmall(config, { runDir: 'whole', set: AVERAGE });
    // An epoch has 15 batches.
    for (const [i, count] of [7, 8, 4].entries()) {
      const { signal, on } = abortAtStep(count);
      expect(
        (await trainSmall(config, { runDir: 'run', resume: i === 0 ? undefined : 'run', set: AVERAGE, signal, on }))
          .end,
      ).toBe('interrupted');
    }
    await trainSmall(config, { resume: 'run', set: AVERAGE });
    expect(traceOf('run')).toEqual(traceOf('whole'));
  });

  it('cannot drop or add the average when it resumes', async () => {
    const { signal, on } = abortAtStep(3);
    await trainSmall(config, { runDir: 'run', set: AVERAGE, signal, on });
    await expect(trainSmall(config, { resume: 'run', set: AVERAGE.slice(1) })).rejects.toThrow(
      'training.ema.decay: the run was trained with 0.9, but it is now nothing',
    );
  });
});
