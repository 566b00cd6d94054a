import { withMaps } from './batches.js';
import { toBatch } from './batches.js';
import { expect } from 'vitest';
import { column, sliceRows, type BagColumn, type Batch } from '../../src/core/batch.js';
import { randomStream, type Random } from '../../src/core/random.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import { tower } from '../../src/graph/mlp.js';
import { SEGMENT_POOLINGS, type Activation, type Pooling, type Value } from '../../src/graph/operations.js';
import type { SequenceLayout } from '../../src/sequences/layout.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { planOf } from './graph-plan.js';

// Models of a target item and the items that a user clicked before.

/** Elements of an embedding, maximum items per row, and rows of the table of items. */
export const [WIDTH, MAX_ITEMS, TABLE_ROWS] = [6, 7, 40];

/** A sequence of one field. */
interface OneField {
  readonly field: string;
  readonly table: string;
  readonly width: number;
  readonly maxItems: number;
}

/** Lays out a sequence of one field. */
export function sequenceLayout({ maxItems, ...column }: OneField): SequenceLayout {
  return { name: column.field, maxItems, fields: [{ ...column, kind: 'id' }], encoders: [] };
}

/** A target item, the items that a user clicked before in the same table, and a number. */
export const LAYOUT: InputLayout = {
  width: WIDTH + 1,
  tables: [{ name: 'item', rows: TABLE_ROWS, width: WIDTH }],
  columns: [
    { kind: 'id', field: 'target', table: 'item', offset: 0, width: WIDTH },
    { kind: 'number', field: 'price', offset: WIDTH, width: 1 },
  ],
  sequences: [sequenceLayout({ field: 'clicked', table: 'item', width: WIDTH, maxItems: MAX_ITEMS })],
};

/** A sequence of random items, given their number in each row. */
export function sequenceOf(counts: readonly number[], random: Random): BagColumn {
  const offsets = new Uint32Array(counts.length + 1);
  for (const [b, count] of counts.entries()) offsets[b + 1] = offsets[b]! + count;
  const ids = Uint32Array.from({ length: offsets.at(-1)! }, () => random.below(TABLE_ROWS));
  return { type: 'list', offsets, ids, weights: Float32Array.from(ids, (_, i) => 0.5 * (i % 4)) };
}

/** Random rows; every third row has no items, and the last has as many as allowed. */
export function batchOf(rows: number, seed: number): Batch {
  const random = randomStream(seed, 'sequences');
  const counts = Array.from({ length: rows }, (_, b) => (b % 3 === 0 ? 0 : 1 + random.below(MAX_ITEMS)));
  counts[rows - 1] = MAX_ITEMS;
  const clicked = sequenceOf(counts, random);
  return toBatch({
    rows,
    ids: new Map([['target', Uint32Array.from({ length: rows }, () => random.below(TABLE_ROWS))]]),
    bags: new Map([['clicked', clicked]]),
    numbers: new Map([['price', Float32Array.from({ length: rows }, () => random.normal())]]),
    labels: new Map([['y', Float32Array.from({ length: rows }, () => Number(random.uniform() < 0.4))]]),
  });
}

/** Random rows without any item. */
export function batchWithoutItems(rows: number, seed: number): Batch {
  return withoutItems(batchOf(rows, seed), 0, rows);
}

/** Removes the items of rows `begin` to `end`. */
export function withoutItems(batch: Batch, begin: number, end: number): Batch {
  const { offsets, ids, weights } = column(batch, 'clicked', 'list');
  const [first, last] = [offsets[begin]!, offsets[end]!];
  const clicked: BagColumn = {
    type: 'list',
    offsets: offsets.map((offset, b) => (b <= begin ? offset : b <= end ? first : offset - (last - first))),
    ids: Uint32Array.of(...ids.subarray(0, first), ...ids.subarray(last)),
    weights: weights.subarray(last - first),
  };
  return withMaps(batch, { bags: new Map([['clicked', clicked]]) });
}

/** Pools the items of a row, by its input. */
export type Interest = (g: GraphBuilder, input: Value, items: Value) => Value;

/** Builds a plan of one task per tower on what `interest` makes of the input and the items. */
export function planWith(
  interest: Interest,
  step?: Plan['step'],
  towers: readonly string[] = ['tower'],
  layout = LAYOUT,
): Plan {
  const plan = planOf(layout, (g, input, y) => {
    const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
    const pooled = interest(g, input, items);
    const options = { hidden: [5], activation: 'tanh' as const, dropout: 0, batchNorm: false };
    const x = g.concat([input, pooled]);
    const tasks = towers.map((name, t) => ({ name, isFirst: t === 0, logit: tower(g, x, options, name) }));
    return {
      predictions: Object.fromEntries(
        tasks.map(({ name, isFirst, logit }) => [isFirst ? 'p' : name, g.activation(logit, 'sigmoid', `p ${name}`)]),
      ),
      terms: tasks.map(({ name, isFirst, logit }) => ({
        name: isFirst ? 'ctr' : name,
        weight: 1,
        loss: g.binaryCrossEntropy(logit, y),
      })),
    };
  });
  return { ...plan, ...(step && { step }) };
}

/** Deep interest network (Zhou et al. 2018): items are weighted by a network of the item and the target. */
export const dinWith =
  (activation: Activation, name = 'attention'): Interest =>
  (g, input, items) => {
    const target = g.expand(g.slice(input, 0, WIDTH), 'clicked');
    const pair = g.concat([items, target, g.multiply(items, target)]);
    const hidden = g.activation(g.linear(pair, 8, `${name}.0`), activation, `${name}.hidden`);
    const weights = g.segmentSoftmax(g.linear(hidden, 1, `${name}.out`));
    return g.segmentPool(g.mixture(weights, [items]), 'sum');
  };
export const din = dinWith('dice');

/** The items of a second table, and a number per item, besides those of `LAYOUT`. */
export const ALIGNED_LAYOUT: InputLayout = {
  ...LAYOUT,
  tables: [...LAYOUT.tables, { name: 'shop', rows: TABLE_ROWS, width: 3 }],
  sequences: [...LAYOUT.sequences!, sequenceLayout({ field: 'shops', table: 'shop', width: 3, maxItems: MAX_ITEMS })],
};

/** Adds the shop and the age of each item to a batch. */
export function withAligned(batch: Batch, seed: number): Batch {
  const { offsets } = column(batch, 'clicked', 'list');
  const counts = Array.from({ length: batch.rows }, (_, b) => offsets[b + 1]! - offsets[b]!);
  const [shops, ages] = ['shops', 'ages'].map((name) => sequenceOf(counts, randomStream(seed, name)));
  return withMaps(batch, {
    bags: new Map([
      ['shops', shops!],
      ['ages', ages!],
    ]),
  });
}

/**
 * Attention to three aligned fields, one of which shares the target's table, in the form of the DIN paper: a layer
 * reads the target, the item, their difference and their product; weights are not normalized.
 */
export const dinOfPaper =
  (activation: Activation): Interest =>
  (g, input, items) => {
    const shops = g.input({ kind: 'items', field: 'shops', table: 'shop', alignedWith: 'clicked' }, 3);
    const ages = g.input({ kind: 'factors', field: 'ages', pooling: 'sum', alignedWith: 'clicked' }, 1);
    const target = g.expand(g.slice(input, 0, WIDTH), 'clicked');
    const difference = g.add(target, g.affine(items, -1, 0));
    const pair = g.concat([target, items, difference, g.multiply(target, items), shops, ages]);
    const hidden = g.activation(g.linear(pair, 9, 'attention.0'), activation, 'attention.hidden');
    return g.segmentPool(g.concat([items, shops]), 'sum', g.linear(hidden, 1, 'attention.out'));
  };

/** Attention of items with their positions to items: queries are layers of another operand than keys and values. */
function attention(g: GraphBuilder, items: Value, width: number, heads: number, isCausal: boolean): Value {
  const positioned = g.concat([items, g.affine(g.itemPosition('clicked'), 0.1, 0)]);
  const [key, value] = ['key', 'value'].map((name) => g.linear(items, width, name)) as [Value, Value];
  return g.segmentAttention(g.linear(positioned, width, 'query'), key, value, { heads, isCausal });
}

const factors = (g: GraphBuilder, pooling: Pooling): Value =>
  g.input({ kind: 'factors', field: 'clicked', pooling }, 1);

/** Every operation on items, each as what it makes of the input and the items. */
export const INTERESTS = {
  ...Object.fromEntries(
    SEGMENT_POOLINGS.map((of) => [
      `${of} pooling`,
      (g: GraphBuilder, _: Value, items: Value) => g.segmentPool(g.linear(items, 5, 'items'), of),
    ]),
  ),
  'weighted sum pooling': (g, _, items) =>
    g.segmentPool(g.linear(items, 5, 'items'), 'sum', g.linear(items, 1, 'weights')),
  'items that are pooled while they are looked up': (g, _, items) => g.segmentPool(items, 'sum', factors(g, 'mean')),
  'items that are pooled and read otherwise': (g, _, items) =>
    g.concat([g.segmentPool(items, 'sum', factors(g, 'sqrtn')), g.segmentPool(items, 'max')]),
  'max pooling of equal items': (g, _, items) => {
    const next = g.shift(items, -1);
    return g.segmentPool(g.add(next, g.affine(g.stopGradient(next), -1, 0)), 'max');
  },
  expand: (g, input, items) => g.segmentPool(g.multiply(g.expand(g.slice(input, 0, WIDTH), 'clicked'), items), 'sum'),
  'segment softmax': (g, _, items) =>
    g.segmentPool(g.multiply(g.segmentSoftmax(g.linear(items, WIDTH, 'scores')), items), 'sum'),
  'shift to the next item': (g, _, items) => g.segmentPool(g.multiply(g.shift(items, 1), items), 'mean'),
  'shift to an earlier item': (g, _, items) => g.segmentPool(g.multiply(g.shift(items, -2), items), 'mean'),
  'attention in heads': (g, _, items) => g.segmentPool(attention(g, items, 15, 3, false), 'sum'),
  'causal attention': (g, _, items) => g.segmentPool(attention(g, items, 8, 1, true), 'max'),
  'attention without projections': (g, _, items) =>
    g.segmentPool(g.add(items, g.segmentAttention(items, items, items, { heads: 2, isCausal: true })), 'mean'),
  'pointwise attention': (g, _, items) => {
    const [query, key, value] = ['query', 'key', 'value'].map((name) => g.linear(items, 6, name)) as [
      Value,
      Value,
      Value,
    ];
    // Ages of the items, from numbers of the batch.
    const shape = { heads: 2, isCausal: false, distances: 3, octaves: 2, ages: factors(g, 'sum') };
    return g.segmentPool(g.pointwiseAttention(query, key, value, shape, 'attention'), 'mean');
  },
  'causal pointwise attention without ages': (g, _, items) =>
    g.segmentPool(
      g.pointwiseAttention(items, items, items, { heads: 1, isCausal: true, distances: 9 }, 'attention'),
      'sum',
    ),
  'wide attention': (g, _, items) => g.segmentPool(attention(g, items, 40, 2, false), 'mean'),
  'recurrent unit': (g, _, items) => g.segmentPool(g.segmentGru(g.linear(items, 24, 'inputs'), 'gru'), 'sum'),
  'recurrent unit with attention': (g, _, items) => {
    const inputs = g.linear(items, 72, 'inputs');
    const attention = g.activation(g.linear(items, 1, 'attention'), 'sigmoid', 'attention');
    const states = g.segmentGru(inputs, 'gru', attention);
    return g.segmentPool(g.concat([states, g.segmentGru(inputs, 'other', attention)]), 'max');
  },
  // Recent items have larger weights.
  'position of items': (g, _, items) => {
    const recency = g.map(g.affine(g.itemPosition('clicked'), -0.3, 0), 'exp');
    return g.segmentPool(
      g.mixture(g.linear(g.concat([recency, g.itemPosition('clicked')]), 1, 'scale'), [items]),
      'sum',
    );
  },
  'items of the largest products': (g, input, items) => {
    const query = g.slice(input, 0, WIDTH);
    const positions = g.selectTop(g.itemProduct(items, query), 3);
    const best = g.gatherItems(items, positions);
    const products = g.itemProduct(best, query);
    return g.concat([
      g.segmentPool(g.multiply(best, g.expand(query, best.rows)), 'sum', g.segmentSoftmax(products)),
      g.segmentPool(g.concat([g.gatherItems(g.linear(items, 3, 'items'), positions), positions]), 'max'),
    ]);
  },
  'items of the most similar hashes': (g, input, items) => {
    const matches = g.hashMatches(items, g.slice(input, 0, WIDTH), 21, 'projection');
    const best = g.gatherItems(items, g.selectTop(matches, 2));
    return g.segmentPool(g.dropout(g.linear(best, 5, 'best'), 0.4, 'dropout'), 'sum');
  },
  'layer norm over items': (g, _, items) => g.segmentPool(g.layerNorm(items, 'norm'), 'mean'),
  'dropout of items': (g, _, items) => g.segmentPool(g.dropout(g.linear(items, 5, 'items'), 0.4, 'dropout'), 'sum'),
  din,
} satisfies Record<string, Interest>;

/** Predicts from the items of several sequences of one table. */
export function poolAll(fields: readonly string[]): Parameters<typeof planOf>[1] {
  return (g, input, y) => {
    const pooled = fields.map((field) =>
      g.segmentPool(g.input({ kind: 'items', field, table: 'item' }, WIDTH), 'mean'),
    );
    const out = g.linear(g.concat([input, ...pooled]), 1, 'out');
    return { predictions: { p: out }, terms: [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }] };
  };
}

/** Returns embeddings that are not small: batch norm amplifies the rounding of initial ones. */
export function largeEmbeddings(): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const random = randomStream(3, 'embeddings');
  const data = Float32Array.from({ length: TABLE_ROWS * WIDTH }, () => random.normal());
  return { shape: [TABLE_ROWS, WIDTH], data };
}

/** Expects an engine to predict the last rows of a batch that exceeds one pass as it predicts them alone. */
export async function expectSamePartsOn(engine: Engine): Promise<void> {
  const program = engine.compile(planWith(din));
  const [rows, begin] = [2500, 2000];
  const batch = batchOf(rows, 5);
  const all = (await program.predict(batch)).get('p')!;
  const rest = (await program.predict(sliceRows(batch, begin, rows))).get('p')!;
  expect(new Set(all).size).toBeGreaterThan(1000);
  expect([...rest]).toEqual([...all.subarray(begin)]);
}
