import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/operations.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { needsAddon } from '../support/native.js';
import {
  ALIGNED_LAYOUT,
  batchOf,
  batchWithoutItems,
  dinOfPaper,
  largeEmbeddings,
  planWith,
  WIDTH,
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

/** Layers over the target, the item and the item before it, which engines compute in other ways. */
const LAYERS: Readonly<Record<string, (g: GraphBuilder, q: Value, k: Value, before: Value) => Value>> = {
  'rows and items': (g, q, k) => g.linear(g.concat([q, k]), 9, 'layer'),
  'rows alone': (g, q) => g.linear(g.concat([q, g.affine(q, -0.5, 0)]), 9, 'layer'),
  'a difference alone': (g, q, k, before) =>
    g.linear(g.concat([g.add(g.affine(q, 0.5, 0), g.affine(k, -2, 0)), before]), 9, 'layer'),
  'a product without its factors': (g, q, k, before) => g.linear(g.concat([before, g.multiply(k, q)]), 20, 'layer'),
  'two products': (g, q, k, before) =>
    g.linear(g.concat([g.multiply(q, k), before, g.multiply(q, before), k]), 70, 'layer'),
  'two products of the same items': (g, q, k) => {
    const other = g.expand(g.slice(g.input({ kind: 'features', begin: 0 }, WIDTH + 1), 1, WIDTH), 'clicked');
    return g.linear(g.concat([g.multiply(q, k), g.multiply(k, other), k]), 9, 'layer');
  },
  'a rectified sum': (g, q, k) =>
    g.activation(g.linear(g.concat([q, k, g.add(q, k)]), 9, 'layer'), 'relu', 'layer.act'),
  'a rectified product': (g, q, k) =>
    g.activation(g.linear(g.concat([q, k, g.multiply(q, k)]), 9, 'layer'), 'leaky-relu', 'layer.act'),
  'a product before batch norm': (g, q, k) =>
    g.batchNorm(g.linear(g.concat([q, k, g.multiply(q, k)]), 9, 'layer'), 'norm'),
  'no bias': (g, q, k) => g.linear(g.concat([q, k, g.multiply(q, k)]), 9, 'layer', { bias: false }),
  'two layers of the same values': (g, q, k) => {
    const x = g.concat([q, k, g.multiply(q, k)]);
    return g.multiply(g.linear(x, 9, 'layer'), g.activation(g.linear(x, 9, 'gate'), 'sigmoid', 'gate.act'));
  },
};

describe('a layer over rows and items', () => {
  it.each(
    engines.flatMap(([name, create]) =>
      Object.entries(LAYERS).map(([of, layer]) => [of, name, create, layer] as const),
    ),
  )('equals float64: %s, on %s', async (_, __, create, layer) => {
    const plan = planWith((g, input, items) => {
      const target = g.expand(g.slice(input, 0, WIDTH), 'clicked');
      return g.segmentPool(layer(g, target, items, g.shift(items, 1)), 'mean');
    });
    const program = (await create()).compile(plan);
    const weights = new Map([...program.state().weights, ['embeddings.item', largeEmbeddings()] as const]);
    program.restore({ step: 0, weights, optimizer: new Map() });
    await expectLikeFloat64(program, plan, batchOf(20, 1), 2e-5);
    program.dispose();
  });
});

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

  it(
    'train to bitwise identical weights for 1, 2 and 3 threads and kernels of either kind',
    { tags: ['long'] },
    async (context) => {
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
    },
  );
});
