import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { needsAddon } from '../support/native.js';
import {
  ALIGNED_LAYOUT,
  batchOf,
  batchWithoutItems,
  dinOfPaper,
  largeEmbeddings,
  planWith,
  withAligned,
} from '../support/sequences.js';
import { createTfjsEngine } from '../support/tfjs.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine())],
  ['simd, portable', () => Promise.resolve(createCpuEngine(1, false))],
  ['tfjs', createTfjsEngine],
];
const ACTIVATIONS = ['prelu', 'dice', 'relu', 'sigmoid'] as const;

const planOf = (activation: (typeof ACTIVATIONS)[number], step?: Plan['step']): Plan =>
  planWith(dinOfPaper(activation), step, ['tower'], ALIGNED_LAYOUT);

describe('aligned fields of a sequence', () => {
  it('share a domain', () => {
    const g = new GraphBuilder();
    const first = g.input({ kind: 'items', field: 'a', table: 'item' }, 2);
    const second = g.input({ kind: 'items', field: 'b', table: 'shop', alignedWith: 'a' }, 2);
    const number = g.input({ kind: 'factors', field: 'c', pooling: 'sum', alignedWith: 'a' }, 1);
    expect(g.concat([first, second, number]).rows).toEqual({ kind: 'items', field: 'a' });
    const other = g.input({ kind: 'items', field: 'd', table: 'shop' }, 2);
    expect(() => g.add(first, other)).toThrow('rows of items(a) and items(d)');
  });

  it.each(engines.flatMap(([name, create]) => ACTIVATIONS.map((activation) => [activation, name, create] as const)))(
    'equal float64 in DIN with %s on %s',
    async (activation, _, create) => {
      const plan = planOf(activation);
      const program = (await create()).compile(plan);
      const weights = new Map([...program.state().weights, ['embeddings.item', largeEmbeddings()] as const]);
      program.restore({ step: 0, weights, optimizer: new Map() });
      await expectLikeFloat64(program, plan, withAligned(batchOf(20, 1), 1), 2e-5);
      await expectLikeFloat64(program, plan, withAligned(batchWithoutItems(20, 2), 2), 2e-5);
      program.dispose();
    },
  );

  it('train to bitwise identical weights for 1, 2 and 3 threads and kernels of either kind', async (context) => {
    needsAddon(context);
    for (const [activation, step] of [
      ['prelu', undefined],
      ['dice', { rows: 700 }],
      ['relu', { combinesTerms: true }],
    ] as const) {
      const trained: unknown[] = [];
      for (const [threads, choice] of [
        [1, 'wasm'],
        [1, 'native'],
        [2, 'native'],
        [3, 'wasm'],
      ] as const) {
        const engine = createCpuEngine(threads, true, { isPatient: true }, choice);
        const program = engine.compile({ ...planOf(activation, step), batchRows: 300 });
        await setTimeout(200);
        for (let seed = 0; seed < 4; seed++) {
          const { losses } = await program.trainStep(withAligned(batchOf(step?.rows ?? 300, seed), seed));
          expect(losses.get('ctr')!.mean).toBeGreaterThan(0); // not a refused step
        }
        trained.push([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
        program.dispose();
      }
      for (const other of trained.slice(1)) expect(other).toEqual(trained[0]);
    }
  });
});
