import { toBatch } from './batches.js';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import { randomStream, type Random } from '../../src/core/random.js';
import type { Plan } from '../../src/engines/engine.js';
import { encodeSequences } from '../../src/models/sequences.js';
import { encoders } from '../../src/sequences/encoders.js';
import type { SequenceColumn } from '../../src/sequences/layout.js';
import type { InputLayout, Pooling } from '../../src/tables/layout.js';
import { planOf } from './graph-plan.js';

// Models of a candidate with tags, and clicked items that have an id and any number of tags each.

export const MAX_ITEMS = 6;
export const TABLES = [
  { name: 'item', rows: 30, width: 4 },
  { name: 'tags', rows: 8, width: 3 },
] as const;

const ITEM: SequenceColumn = { field: 'clicked item', width: 4, target: 'item', kind: 'id', table: 'item' };

/** Lays out a sequence with tags, which are the first field or a later one. */
function nestedLayout(pooling: Pooling, isFirst: boolean, spec: object): InputLayout {
  const tags: SequenceColumn = {
    field: 'clicked tags',
    width: 3,
    target: 'tags',
    kind: 'id',
    table: 'tags',
    nested: { pooling, counts: 'clicked tags.counts' },
  };
  return {
    width: 7,
    tables: TABLES,
    columns: [
      { kind: 'id', field: 'item', table: 'item', offset: 0, width: 4 },
      { kind: 'bag', field: 'tags', table: 'tags', pooling: 'mean', offset: 4, width: 3 },
    ],
    sequences: [
      {
        name: 'clicks',
        maxItems: MAX_ITEMS,
        fields: isFirst ? [tags, ITEM] : [ITEM, tags],
        encoders: [encoders.schema.parse(spec)],
      },
    ],
  };
}

/** Options of a plan. */
export interface NestedPlan {
  readonly pooling: Pooling;
  /** Whether the tags are the first field of the sequence. */
  readonly isFirst: boolean;
  /** Encoder as in a config. */
  readonly spec: object;
}

/** Builds a plan whose only layer above the encoder is linear. */
export function planOfNested({ pooling, isFirst, spec }: NestedPlan, step?: Plan['step']): Plan {
  const layout = nestedLayout(pooling, isFirst, spec);
  const plan = planOf(layout, (g, input, y) => {
    const { input: all, fields } = encodeSequences(g, layout.sequences!, { input, fields: layout.columns });
    const { offset, width } = fields.at(-1)!;
    const logit = g.linear(g.slice(all, offset, width), 1, 'out');
    return {
      predictions: { p: g.activation(logit, 'sigmoid', 'p') },
      terms: [{ name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(logit, y) }],
    };
  });
  return { ...plan, ...(step && { step }) };
}

/** Creates random ids of lists of some lengths, with a weight for each. */
function listsOf(lengths: readonly number[], ids: number, random: Random): BagColumn {
  const offsets = Uint32Array.from([0, ...lengths]);
  for (let i = 0; i < lengths.length; i++) offsets[i + 1]! += offsets[i]!;
  const all = Uint32Array.from({ length: offsets.at(-1)! }, () => random.below(ids));
  return { type: 'list', offsets, ids: all, weights: new Float32Array(all.length).fill(1) };
}

/** Random rows: every fourth has no items, and every third item has no tags. */
export function nestedBatch(rows: number, seed: number): Batch {
  const random = randomStream(seed, 'nested');
  const lengths = Array.from({ length: rows }, (_, b) => (b % 4 === 1 ? 0 : 1 + random.below(MAX_ITEMS)));
  const items = listsOf(lengths, 30, random);
  const counts = Float32Array.from(items.ids, (_, i) => (i % 3 === 1 ? 0 : 1 + random.below(4)));
  const perRow = lengths.map((_, b) =>
    counts.subarray(items.offsets[b], items.offsets[b + 1]).reduce((sum, count) => sum + count, 0),
  );
  return toBatch({
    rows,
    ids: new Map([['item', Uint32Array.from(lengths, () => random.below(30))]]),
    bags: new Map<string, BagColumn>([
      [
        'tags',
        listsOf(
          lengths.map(() => random.below(3)),
          8,
          random,
        ),
      ],
      ['clicked item', items],
      ['clicked tags', listsOf(perRow, 8, random)],
      ['clicked tags.counts', { ...items, ids: new Uint32Array(counts.length), weights: counts }],
    ]),
    labels: new Map([['y', Float32Array.from(lengths, () => Number(random.uniform() < 0.4))]]),
  });
}
