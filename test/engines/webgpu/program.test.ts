/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../../bench/workloads.js';
import { createCpuEngine } from '../../../src/engines/cpu/engine.js';
import type { Plan, Program, ProgramState } from '../../../src/engines/engine.js';
import { planSize } from '../../../src/engines/plan-size.js';
import { createGpu, type Gpu } from '../../../src/engines/webgpu/adapter.js';
import { createWebGpuEngine } from '../../../src/engines/webgpu/engine.js';
import { UserError } from '../../../src/core/errors.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../../src/optimizers/optimizers.js';
import { createTestEngine, gpu } from '../../support/webgpu.js';
import { twoTermBatch, twoTermPlan } from '../../support/two-terms.js';

const ADAM = { name: 'adam', learningRate: 0.02 };
const plan = (lazy = true): Plan => ({
  ...twoTermPlan([1, 2], { average: { decay: 0.9 } }),
  optimizers: {
    dense: denseOptimizers.schema.parse(ADAM),
    embeddings: embeddingOptimizerSchema.parse({ ...ADAM, lazy }),
  },
});

type Tensors = ReadonlyMap<string, Float32Array>;
const copied = (tensors: ProgramState['weights']): Tensors =>
  new Map([...tensors].map(([name, { data }]) => [name, data.slice()]));
function held(program: Program): { readonly weights: Tensors; readonly optimizer: Tensors } {
  const { weights, optimizer } = program.state();
  return { weights: copied(weights), optimizer: copied(optimizer) };
}
function expectNear(found: Tensors, expected: Tensors, bound: number): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, data] of expected)
    data.forEach((value, i) =>
      expect(Math.abs(value - found.get(name)![i]!), `${name}[${i}]`).toBeLessThanOrEqual(bound),
    );
}
async function take(program: Program, from: number, to: number, rows = 50): Promise<void> {
  for (let step = from; step < to; step++) await program.trainStep(twoTermBatch(rows, step));
}

describe.skipIf(gpu === undefined)('the webgpu engine', () => {
  it('is bitwise reproducible', async () => {
    const ends = [];
    for (let run = 0; run < 2; run++) {
      const program = createTestEngine().compile(plan());
      await take(program, 0, 6);
      ends.push(held(program));
      program.dispose();
    }
    expect(ends[1]).toEqual(ends[0]);
  });

  it('is bitwise identical if other threads build its index lists', async () => {
    const ends = [];
    for (const listThreads of [0, 2]) {
      const program = createTestEngine(gpu, { listThreads }).compile({ ...plan(), batchRows: 3000 });
      await take(program, 0, 4, 3000);
      ends.push(held(program));
      program.dispose();
    }
    expect(ends[1]).toEqual(ends[0]);
  });

  it('matches the first step of another engine, also with more rows than one partial sum of a gradient', async () => {
    const [found, expected] = [createTestEngine(), createCpuEngine()].map((engine) =>
      engine.compile({ ...plan(), batchRows: 1200 }),
    );
    await take(found!, 0, 1, 1200);
    await take(expected!, 0, 1, 1200);
    expectNear(held(found!).weights, held(expected!).weights, 1e-5);
  });

  it.each([
    ['lazy', true],
    ['not lazy', false],
  ] as const)('resumes from the state of another engine, and vice versa, with %s tables', async (_, lazy) => {
    const [straight, first, second] = [
      createCpuEngine().compile(plan(lazy)),
      createTestEngine().compile(plan(lazy)),
      createCpuEngine().compile(plan(lazy)),
    ];
    await take(straight, 0, 9);
    await take(first, 0, 3);
    second.restore(first.state());
    await take(second, 3, 6);
    first.restore(second.state());
    await take(first, 6, 9);
    expectNear(held(first).weights, held(straight).weights, 1e-5);
    expectNear(held(first).optimizer, held(straight).optimizer, 1e-5);
    const batch = twoTermBatch(80, 50);
    expectNear(await first.predict(batch), await straight.predict(batch), 1e-5);
    for (const program of [straight, first, second]) program.dispose();
  });

  it('has the same results if a dispatch has fewer workgroups than its work has shares', async () => {
    const work: Workload = {
      name: 'esmm',
      batchRows: 300,
      width: 16,
      numbers: ['D0'],
      model: { name: 'esmm', ctrTower: { hidden: [24] }, cvrTower: { hidden: [24] } },
    };
    const [usual, few] = [
      createTestEngine().compile(planOf(work, 0.001)),
      createTestEngine({ ...gpu!, maxGroups: 2 }).compile(planOf(work, 0.001)),
    ];
    for (const program of [usual, few]) for (const batch of batchesOf(work, 3, 0.001)) await program.trainStep(batch);
    for (const program of [usual, few]) await program.readBack!();
    expectNear(held(few).weights, held(usual).weights, 1e-6);
    expect(held(few).weights.size).toBeGreaterThan(0);
    for (const program of [usual, few]) program.dispose();
  });

  it('has the same results if its tables span many buffers', async () => {
    const rowsOfTwoBuffers = { ...gpu!, maxBufferBytes: 4 * 500 };
    const [whole, parts] = [createTestEngine().compile(plan()), createTestEngine(rowsOfTwoBuffers).compile(plan())];
    for (const program of [whole, parts]) await take(program, 0, 4);
    expect(held(parts).weights.size).toBeGreaterThan(0);
    expectNear(held(parts).weights, held(whole).weights, 1e-6);
    expectNear(held(parts).optimizer, held(whole).optimizer, 1e-6);
    for (const program of [whole, parts]) program.dispose();
  });

  it('restores weights without optimizer state, and keeps its own', async () => {
    const engine = createWebGpuEngine(gpu!);
    const [program, other] = [engine.compile(plan()), createCpuEngine().compile(plan())];
    for (const each of [program, other]) await take(each, 0, 3);
    const given = new Map(
      [...other.state().weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((_w, i) => Math.sin(i) / 10) },
      ]),
    );
    for (const each of [program, other]) each.restore({ step: 3, weights: given, optimizer: new Map() });
    expect(() => program.state()).toThrow(/is read before/);
    for (const each of [program, other]) await take(each, 3, 5);
    await program.readBack!();
    expectNear(held(program).weights, held(other).weights, 1e-5);
    for (const each of [program, other]) each.dispose();
  });

  it('rejects a plan that exceeds one of its buffers, with the sizes', () => {
    const small = (maxBufferBytes: number): Gpu => ({ ...gpu!, maxBufferBytes });
    expect(() => planSize(plan(), createWebGpuEngine(small(1 << 18)), 0)).toThrow(
      new RegExp(
        'training\\.batchSize: .*a batch of 1024 rows require [\\d.]+ (kB|MB) besides the tables, ' +
          'but a buffer of .* holds at most 263 kB; use a smaller model, or --device cpu',
      ),
    );
    expect(() => planSize(plan(), createWebGpuEngine(small(40)), 0)).toThrow(
      /features: a row of table 'item' with its optimizer state requires 1 kB/,
    );
    expect(planSize(plan(), createWebGpuEngine(small(1 << 26)), 0).numTables).toBe(2);
  });
});

describe.skipIf(gpu === undefined)('a device that fails', () => {
  const failing = async (fail: (own: Gpu) => void): Promise<unknown> => {
    const own = await createGpu();
    if ('reason' in own) throw new Error(own.reason);
    const program = createWebGpuEngine(own).compile(plan());
    await program.trainStep(twoTermBatch(50, 0));
    fail(own);
    const error = await program.trainStep(twoTermBatch(50, 1)).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    // All later calls fail, too.
    await expect(program.predict(twoTermBatch(5, 1))).rejects.toBe(error);
    return error;
  };

  it('ends a run with a user error after an invalid call', async () => {
    const error = await failing((own) => own.createBuffer(16, own.usage.MAP_READ | own.usage.STORAGE));
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^WebGPU on .*: .*MapRead.*checkpoint with --resume/s);
    expect((error as UserError).exitCode).toBe(1);
  });

  it('prints nothing itself, and rejects with an error of the run', () => {
    const script = `
      const { createGpu } = await import(process.argv[1]);
      const gpu = await createGpu();
      const { MAP_READ, STORAGE, COPY_DST } = gpu.usage;
      gpu.createBuffer(16, MAP_READ | STORAGE);
      const staging = gpu.createBuffer(16, MAP_READ | COPY_DST);
      await gpu.read(staging, 16, () => console.log('read')).catch((error) => console.log(error.name));
      process.exit();`;
    const { stdout } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script, join(import.meta.dirname, '../../../dist/engines/webgpu/adapter.js')],
      { encoding: 'utf8', env: { ...process.env, MTL_WEBGPU_DAWN: 'backend=null' } },
    );
    expect(stdout).toBe('UserError\n');
  });

  it('ends a run if it is lost', async () => {
    const error = await failing((own) => own.device.destroy());
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^WebGPU on /);
  });
});
