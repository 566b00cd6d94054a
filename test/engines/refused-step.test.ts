/** @module-tag long */
import { mapsOf, withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import type { Engine, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { webGpuEngines } from '../support/webgpu.js';

const SCALE = 0.002;
const layer = (...hidden: number[]): object => ({ hidden, activation: 'dice', dropout: 0.2 });
const work: Workload = {
  name: 'mmoe',
  batchRows: 300,
  width: 6,
  numbers: ['D0', 'D1'],
  model: { name: 'mmoe', experts: { count: 3, ...layer(18) }, tower: layer(8) },
};

/** The same batch with one extreme element. */
function poisoned(batch: Batch, value: number): Batch {
  const numbers = new Map([...mapsOf(batch).numbers].map(([name, data]) => [name, data.slice()]));
  numbers.get('D0')![7] = value;
  return withMaps(batch, { numbers });
}

/** Copies the complete state of a program. */
function held(program: Program): object {
  const { step, weights, optimizer } = program.state();
  const copy = (tensors: typeof weights): object =>
    Object.fromEntries([...tensors].map(([name, { data }]) => [name, data.slice()]));
  return { step, weights: copy(weights), optimizer: copy(optimizer) };
}

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd, one thread', () => Promise.resolve(createCpuEngine(1))],
  ['simd, three threads', () => Promise.resolve(createCpuEngine(3, true, { isPatient: true }))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];

describe('a step with a non-finite loss or statistics', () => {
  it.each(engines)(
    'is skipped: weights, moments, running statistics and dropout continue without it (%s)',
    async (_, engineOf) => {
      const plan = planOf(work, SCALE);
      const [bad, spared] = [(await engineOf()).compile(plan), (await engineOf()).compile(plan)];
      const batches = batchesOf(work, 6, SCALE);
      for (const [i, batch] of batches.entries()) {
        if (i % 2 === 1) {
          // Infinity makes all values NaN. A value whose square is infinite leaves losses after a batch norm finite,
          // but not its statistics.
          for (const value of [Infinity, 3e38]) {
            const { losses } = await bad.trainStep(poisoned(batch, value));
            expect([...losses.values()].some(({ mean }) => Number.isFinite(mean))).toBe(false);
          }
        }
        await bad.trainStep(batch);
        await spared.trainStep(batch);
        expect(held(bad)).toEqual(held(spared));
      }
      bad.dispose();
      spared.dispose();
    },
  );
});

describe('a step with finite losses and a non-finite gradient', () => {
  it.each(engines)('is skipped (%s)', async (_, engineOf) => {
    const plan = planOf(work, SCALE);
    // Reported losses exclude their weight; the gradient includes it.
    const terms = plan.graph.terms.map((term) => ({ ...term, weight: 3e38 }));
    const program = (await engineOf()).compile({ ...plan, graph: { ...plan.graph, terms } });
    const before = held(program);
    const [batch] = batchesOf(work, 1, SCALE);
    const { losses } = await program.trainStep(batch!);
    expect([...losses.values()].map(({ mean }) => mean)).toEqual([NaN, NaN]);
    expect(held(program)).toEqual(before);
    program.dispose();
  });
});
