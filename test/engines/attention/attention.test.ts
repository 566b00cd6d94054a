import { toBatch } from '../../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../../src/core/batch.js';
import { randomStream } from '../../../src/core/random.js';
import { createCpuEngine } from '../../../src/engines/cpu/engine.js';
import type { Engine, Plan } from '../../../src/engines/engine.js';
import type { InputLayout } from '../../../src/tables/layout.js';
import { planOf } from '../../support/graph-plan.js';
import { expectLikeFloat64 } from '../../support/like-float64.js';
import { needsAddon } from '../../support/native.js';
import { engineTags } from '../../support/engine-tags.js';
import { createTfjsEngine } from '../../support/tfjs.js';
import { webGpuEngines } from '../../support/webgpu.js';
import { sequenceLayout } from '../../support/sequences.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine())],
  ['tfjs', createTfjsEngine],
  ...webGpuEngines,
];

/** Numbers of PyTorch: see make_cases.py. */
interface Case {
  readonly width: number;
  readonly heads: number;
  readonly isCausal: boolean;
  /** Biases of pointwise attention; none for a softmax. */
  readonly distances?: number;
  readonly octaves?: number;
  readonly loss: number;
  readonly predictions: readonly number[];
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const cases = JSON.parse(readFileSync(join(import.meta.dirname, 'cases.json'), 'utf8')) as readonly Case[];

const layoutOf = (width: number, maxItems: number): InputLayout => ({
  width: 1,
  tables: [{ name: 'item', rows: 12, width }],
  columns: [{ kind: 'number', field: 'price', offset: 0, width: 1 }],
  sequences: [sequenceLayout({ field: 'clicked', table: 'item', width, maxItems })],
});

type Shape = Pick<Case, 'width' | 'heads' | 'isCausal' | 'distances' | 'octaves'>;

/** A layer of attention with projections, pooled to a prediction. */
function planWith({ width, heads, isCausal, distances, octaves = 0 }: Shape, maxItems: number): Plan {
  return planOf(layoutOf(width, maxItems), (g, _, y) => {
    const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, width);
    const [query, key, value] = ['query', 'key', 'value'].map((name) => g.linear(items, width, name));
    const ages =
      octaves === 0
        ? undefined
        : g.input({ kind: 'factors', field: 'ages', pooling: 'sum', alignedWith: 'clicked' }, 1);
    const attended =
      distances === undefined
        ? g.segmentAttention(query!, key!, value!, { heads, isCausal })
        : g.pointwiseAttention(query!, key!, value!, { heads, isCausal, distances, octaves, ages }, 'attention');
    const pooled = g.segmentPool(g.linear(attended, width, 'output'), 'sum');
    const out = g.linear(pooled, 1, 'last', { bias: false });
    return { predictions: { p: out }, terms: [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }] };
  });
}

/** The ages of a row of so many items, as in make_cases.py. */
const agesOf = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => ((i * 7) % 11) * 2 ** (i % 5));

/** A batch of rows with so many items; labels are 0, 1 and 2. */
function batchOf(counts: readonly number[], idOf: (item: number) => number): Batch {
  const offsets = new Uint32Array(counts.length + 1);
  for (const [b, count] of counts.entries()) offsets[b + 1] = offsets[b]! + count;
  const ids = Uint32Array.from({ length: offsets.at(-1)! }, (_, item) => idOf(item));
  const ages = Float32Array.from(counts.flatMap(agesOf));
  return toBatch({
    rows: counts.length,
    bags: new Map([
      ['clicked', { offsets, ids, weights: new Float32Array(ids.length).fill(1) }],
      ['ages', { offsets, ids, weights: ages }],
    ]),
    numbers: new Map([['price', new Float32Array(counts.length)]]),
    labels: new Map([['y', Float32Array.from(counts, (_, b) => b % 3)]]),
  });
}

/** Elements that make_cases.py computes as well. */
const numbersOf = (tensor: number, length: number, scale: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(1.7 * i + 2 * tensor));

describe('attention over the items of a row', () => {
  describe.each(engines)('equals PyTorch on %s', (name, create) => {
    it.each(cases)(
      'width $width, $heads heads, causal $isCausal, $distances distances, $octaves octaves',
      { tags: engineTags(name) },
      async (expected) => {
        const { width, predictions, gradients } = expected;
        const program = (await create()).compile(planWith(expected, 9));
        const names = ['query', 'key', 'value', 'output'];
        const tensors = [
          ['embeddings.item', [12, width], 1],
          ...names.map((name) => [`${name}.weight`, [width, width], 0.7] as const),
          ...names.map((name) => [`${name}.bias`, [width], 0.2] as const),
          ['last.weight', [width, 1], 0.5],
          ...(program.state().weights.has('attention.bias')
            ? [['attention.bias', [gradients['attention.bias']!.length], 0.6] as const]
            : []),
        ] as const;
        const weights = tensors.map(([name, shape, scale], t) => {
          const length = shape.reduce((product, size) => product * size, 1);
          return [name, { shape, data: numbersOf(t, length, scale) }] as const;
        });
        program.restore({ step: 0, weights: new Map(weights), optimizer: new Map() });
        const found = await program.inspect(batchOf([3, 0, 1, 9, 5, 1, 0, 2], (item) => (item * 5) % 12));
        expect(Math.abs(found.losses.get('y')!.mean / expected.loss - 1)).toBeLessThan(1e-5);
        const largest = Math.max(...predictions.map(Math.abs));
        for (const [b, p] of predictions.entries())
          expect(Math.abs(found.predictions.get('p')![b]! - p)).toBeLessThan(1e-5 * largest);
        // The gradient of the bias of keys is 0.
        const scale = Math.max(...Object.values(gradients).flat().map(Math.abs));
        expect([...found.gradients.keys()].sort()).toEqual(Object.keys(gradients).sort());
        for (const [name, values] of Object.entries(gradients))
          for (const [i, value] of values.entries())
            expect(Math.abs(found.gradients.get(name)!.data[i]! - value), `${name}[${i}]`).toBeLessThan(1e-5 * scale);
        program.dispose();
      },
    );
  });

  // More items than a vector has lanes, spans of columns on a GPU, and blocks of rows on TensorFlow.js.
  describe.each(engines)('equals float64 for long rows and large scores on %s', (name, create) => {
    const shapes = [{}, { distances: 11, octaves: 9 }].flatMap((bias) =>
      [true, false].map((isCausal) => ({ width: 36, heads: 2, isCausal, ...bias })),
    );
    it.each(shapes)('%o', { tags: engineTags(name) }, async (shape) => {
      const plan = planWith(shape, 40);
      const program = (await create()).compile(plan);
      const random = randomStream(1, 'embeddings');
      const data = Float32Array.from({ length: 12 * 36 }, () => 3 * random.normal());
      const { weights } = program.state();
      const large = new Map([...weights, ['embeddings.item', { shape: [12, 36], data }] as const]);
      const bias = weights.get('attention.bias');
      if (bias !== undefined) large.set('attention.bias', { ...bias, data: bias.data.map(() => random.normal()) });
      program.restore({ step: 0, weights: large, optimizer: new Map() });
      const batch = batchOf([40, 0, 17, 33, 1, 37, 2], () => random.below(12));
      await expectLikeFloat64(program, plan, batch, 5e-5);
      program.dispose();
    });
  });

  it(
    'trains to bitwise identical weights for 1, 2 and 5 threads, and with native kernels',
    { tags: ['long'] },
    async (context) => {
      needsAddon(context);
      for (const shape of [
        { width: 6, heads: 2, isCausal: false },
        { width: 24, heads: 3, isCausal: true },
        { width: 6, heads: 2, isCausal: false, distances: 20, octaves: 5 },
        { width: 24, heads: 3, isCausal: true, distances: 50, octaves: 20 },
      ]) {
        const random = randomStream(1, 'batch');
        const batches = Array.from({ length: 4 }, () =>
          batchOf(
            Array.from({ length: 150 }, () => random.below(41)),
            () => random.below(12),
          ),
        );
        const trained: unknown[] = [];
        for (const [threads, choice] of [
          [1, 'wasm'],
          [2, 'wasm'],
          [5, 'wasm'],
          [1, 'native'],
          [5, 'native'],
        ] as const) {
          const program = createCpuEngine(threads, true, { isPatient: true }, choice).compile(planWith(shape, 40));
          await setTimeout(200);
          for (const batch of batches) {
            const { losses } = await program.trainStep(batch);
            expect(losses.get('y')!.mean).toBeGreaterThan(0); // not a refused step
          }
          trained.push([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
          program.dispose();
        }
        for (const each of trained) expect(each).toEqual(trained[0]);
      }
    },
  );
});
