/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { column, type Batch } from '../../../src/core/batch.js';
import { createCpuEngine } from '../../../src/engines/cpu/engine.js';
import type { Plan, Program, StepPlan, StepResult } from '../../../src/engines/engine.js';
import { ALLOW_SOFTWARE, type Gpu } from '../../../src/engines/webgpu/adapter.js';
import { createWebGpuEngine } from '../../../src/engines/webgpu/engine.js';
import { GROWING_CONFIG, growingRecords } from '../../support/growing-log.js';
import { changes, growingPlan } from '../../support/growing-plan.js';
import { mtl } from '../../support/mtl.js';
import { scratchFolder } from '../../support/scratch.js';
import { twoTermBatch } from '../../support/two-terms.js';
import { gpu } from '../../support/webgpu.js';

const CAPACITY = 5000;
const AVERAGE: StepPlan = { average: { decay: 0.9 } };

/** Steps of a stream whose items are new, or take the rows of others. */
interface StreamStep {
  readonly batch: Batch;
  readonly admitted: readonly number[];
  readonly cleared: readonly number[];
}
const listSteps = (count: number, poisoned = -1): readonly StreamStep[] =>
  Array.from({ length: count }, (_, s) => {
    const batch = twoTermBatch(40, s);
    column(batch, 'item', 'u32').data.set([40 + s, 40 + s, s % 7], 3);
    if (s === poisoned) column(batch, 'price', 'f32').data[7] = NaN;
    return { batch, admitted: [s % 7, 40 + s], cleared: [10 + (s % 5)] };
  });

async function stateOf(program: Program) {
  await program.readBack?.();
  const { step, weights, optimizer } = program.state();
  const copy = (tensors: typeof weights) => new Map([...tensors].map(([name, { data }]) => [name, data.slice()]));
  return { step, weights: copy(weights), optimizer: copy(optimizer) };
}

const compile = (plan: Plan, on: Gpu = gpu!): Program => createWebGpuEngine(on).compile(plan);

/** Takes each step once the one before has its result. */
async function takeAlone(program: Program, steps: readonly StreamStep[]): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const [s, { batch, admitted, cleared }] of steps.entries()) {
    program.changeRows(changes(admitted, cleared, s + 1));
    results.push(await program.trainStep(batch));
  }
  return results;
}

/** Starts all steps, with changes between them, before it awaits a result. */
async function takeAhead(program: Program, steps: readonly StreamStep[]): Promise<StepResult[]> {
  const results: Promise<StepResult>[] = [];
  for (const [s, { batch, admitted, cleared }] of steps.entries()) {
    program.changeRows(changes(admitted, cleared, s + 1));
    results.push(program.trainStep(batch, { isAhead: true }));
  }
  await program.catchUp!();
  return Promise.all(results);
}

describe.skipIf(gpu === undefined)('a growing table on WebGPU', () => {
  it.each([
    ['plain steps', {}],
    ['an EMA', AVERAGE],
  ] as const)('changes rows between steps in flight as between single ones, with %s', async (_, step) => {
    const [ahead, alone] = [compile(growingPlan(CAPACITY, step)), compile(growingPlan(CAPACITY, step))];
    expect(ahead.stepsAhead).toBeGreaterThan(20);
    const steps = listSteps(20);
    const losses = (results: readonly StepResult[]) => results.map((each) => each.losses);
    expect(losses(await takeAhead(ahead, steps))).toEqual(losses(await takeAlone(alone, steps)));
    expect(await stateOf(ahead)).toEqual(await stateOf(alone));
    for (const program of [ahead, alone]) program.dispose();
  });

  it('changes rows after a step that is skipped as if it had not begun', async () => {
    const [ahead, alone] = [compile(growingPlan(CAPACITY, AVERAGE)), compile(growingPlan(CAPACITY, AVERAGE))];
    const results = await takeAhead(ahead, listSteps(12, 5));
    const isFinite = ({ losses }: StepResult): boolean =>
      [...losses.values()].every(({ mean }) => Number.isFinite(mean));
    expect(results.map(isFinite)).toEqual(results.map((_, s) => s < 5));
    await takeAlone(alone, listSteps(12).slice(0, 5));
    for (const [s, { admitted, cleared }] of listSteps(12).entries())
      if (s >= 5) alone.changeRows(changes(admitted, cleared, s + 1));
    expect(await stateOf(ahead)).toEqual(await stateOf(alone));
    // Averages continue from the same step.
    for (const program of [ahead, alone]) await takeAlone(program, listSteps(3));
    expect(await stateOf(ahead)).toEqual(await stateOf(alone));
    for (const program of [ahead, alone]) program.dispose();
  });

  it('matches the CPU engine', async () => {
    const [found, expected] = [
      compile(growingPlan(CAPACITY, AVERAGE)),
      createCpuEngine(1).compile(growingPlan(CAPACITY, AVERAGE)),
    ];
    for (const program of [found, expected]) await takeAlone(program, listSteps(12));
    const [{ weights, optimizer }, other] = [await stateOf(found), await stateOf(expected)];
    for (const [tensors, others] of [
      [weights, other.weights],
      [optimizer, other.optimizer],
    ] as const) {
      expect([...tensors.keys()]).toEqual([...others.keys()]);
      for (const [name, data] of others)
        data.forEach((value, i) =>
          expect(Math.abs(value - tensors.get(name)![i]!), `${name}[${i}]`).toBeLessThan(1e-4),
        );
    }
    for (const program of [found, expected]) program.dispose();
  });

  it('has the same rows if it spans many buffers', async () => {
    const ofManyBuffers = { ...gpu!, maxBufferBytes: 4 * 700 };
    const [whole, parts] = [compile(growingPlan(120)), compile(growingPlan(120), ofManyBuffers)];
    for (const program of [whole, parts]) await takeAlone(program, listSteps(12));
    const [{ weights }, found] = [await stateOf(whole), await stateOf(parts)];
    for (const [name, data] of weights)
      data.forEach((value, i) => expect(found.weights.get(name)![i]).toBeCloseTo(value, 6));
    for (const program of [whole, parts]) program.dispose();
  });

  it('is read back by the rows that changed, and wholly after the EMA was used', async () => {
    let bytes = 0;
    const counted: Gpu = { ...gpu!, read: (staging, size, take) => ((bytes += size), gpu!.read(staging, size, take)) };
    const program = compile(growingPlan(100_000, AVERAGE), counted);
    program.changeRows(
      changes(
        Array.from({ length: 50_000 }, (_, i) => 40 + i),
        [],
      ),
    );
    const bytesOfRead = async (): Promise<number> => {
      bytes = 0;
      await program.readBack!();
      return bytes;
    };
    // The image on the host has the new rows already.
    expect(await bytesOfRead()).toBe(0);
    await program.trainStep(twoTermBatch(40, 1));
    const afterStep = await bytesOfRead();
    expect(afterStep).toBeGreaterThan(0);
    expect(afterStep).toBeLessThan(100_000);
    expect(await bytesOfRead()).toBe(0);
    await program.averaged(() => program.predict(twoTermBatch(40, 1)));
    // 16 words per row.
    expect(await bytesOfRead()).toBeGreaterThan(4 * 16 * 50_000);
    program.dispose();
  });

  it('resumes from deltas with the bytes of an uninterrupted run, and with ids of a run on the CPU', async () => {
    vi.stubEnv(ALLOW_SOFTWARE, '1');
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'stream.yaml'), GROWING_CONFIG);
    mkdirSync(join(cwd, 'log'));
    const records = growingRecords(2400);
    const follow = async (run: string, device: string, end = Infinity): Promise<void> => {
      writeFileSync(
        join(cwd, 'log', 'part-0.jsonl'),
        records
          .slice(0, end)
          .map((text) => `${text}\n`)
          .join(''),
      );
      const args = ['train', 'stream.yaml', '--follow', '--until-end', '--no-report', '--run-dir', run];
      const { code, stderr } = await mtl(cwd, [...args, '--resume', 'auto', '--device', device]);
      expect(code, stderr).toBe(0);
    };
    await follow('parts', 'webgpu', 900);
    await follow('parts', 'webgpu', 1700);
    for (const [run, device] of [
      ['parts', 'webgpu'],
      ['whole', 'webgpu'],
      ['cpu', 'cpu'],
    ] as const)
      await follow(run, device);
    const windows = (run: string) =>
      readFileSync(join(cwd, run, 'metrics.jsonl'), 'utf8')
        .split('\n')
        .filter((line) => line.includes('"vocabularies"'))
        .map((line) => JSON.parse(line) as Readonly<Record<'vocabularies' | 'progressive', unknown>>);
    expect(windows('whole').length).toBeGreaterThan(1);
    for (const event of ['admitted', 'expired', 'evicted'])
      expect(JSON.stringify(windows('whole'))).toMatch(new RegExp(`"${event}":[1-9]`));
    expect(windows('whole').map((each) => each.vocabularies)).toEqual(windows('cpu').map((each) => each.vocabularies));
    for (const run of ['parts', 'whole', 'cpu']) {
      const { code, stderr } = await mtl(cwd, [
        'predict',
        run,
        '--data',
        'log',
        '--device',
        'cpu',
        '--out',
        `${run}.csv`,
      ]);
      expect(code, stderr).toBe(0);
    }
    const predictions = (run: string): string => readFileSync(join(cwd, `${run}.csv`), 'utf8');
    expect(predictions('parts')).toBe(predictions('whole'));
    const values = (run: string): readonly number[] =>
      predictions(run)
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => Number(line.split(',').at(-1)));
    const onCpu = values('cpu');
    expect(onCpu.length).toBe(2400);
    for (const [r, value] of values('whole').entries()) expect(Math.abs(value - onCpu[r]!)).toBeLessThan(1e-3);
  });
});
