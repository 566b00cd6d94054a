import { toBatch } from './batches.js';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import type { Plan } from '../../src/engines/engine.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/operations.js';
import { encoders } from '../../src/sequences/encoders.js';
import type { Encoded, SequenceField } from '../../src/sequences/encoder.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { planOf } from './graph-plan.js';
import { sequenceLayout } from './sequences.js';

// Models with one encoder of a sequence: items that a user clicked, their shops, and how they were clicked (no target).

export const TABLES = [
  { name: 'item', rows: 30, width: 4 },
  { name: 'shop', rows: 8, width: 3 },
  { name: 'action', rows: 5, width: 2 },
] as const;
export type TableName = (typeof TABLES)[number]['name'];
export const MAX_ITEMS = 6;

const sequenceOf = (table: TableName) => ({
  field: `clicked ${table}`,
  table,
  width: widthOf(table),
  maxItems: MAX_ITEMS,
});
const widthOf = (table: TableName): number => TABLES.find(({ name }) => name === table)!.width;

const LAYOUT: InputLayout = {
  width: 7,
  tables: TABLES,
  columns: [
    { kind: 'id', field: 'item', table: 'item', offset: 0, width: 4 },
    { kind: 'id', field: 'shop', table: 'shop', offset: 4, width: 3 },
  ],
  sequences: TABLES.map(({ name }) => sequenceLayout(sequenceOf(name))),
};

/** An encoder and the inputs it has. */
export interface EncoderCase {
  /** As in a config. */
  readonly spec: { readonly name: string } & Readonly<Record<string, unknown>>;
  /** Tables of the fields of the sequence. Default: all. */
  readonly fields?: readonly TableName[];
  /** Fields with a target; default: the item and the shop. */
  readonly targets?: readonly TableName[];
  readonly isWeighted?: boolean;
  /** Whether encoders can read ages of the items. */
  readonly hasAges?: boolean;
}

const AGES = 'clicked ages';

/** Returns the result of an encoder of which all options are valid. */
export function encode(
  g: GraphBuilder,
  input: Value,
  { spec, fields, targets, isWeighted, hasAges }: EncoderCase,
): Encoded {
  const tables = fields ?? TABLES.map(({ name }) => name);
  const domain = sequenceOf(tables[0]!).field;
  return encoders.build(encoders.schema.parse(spec), {
    g: g.within('encoder'),
    domain,
    fields: tables.map((table): SequenceField => {
      const { field, width } = sequenceOf(table);
      const alignedWith = field === domain ? undefined : domain;
      const column = LAYOUT.columns.find((each) => each.kind === 'id' && each.table === table);
      return {
        field,
        items: g.input({ kind: 'items', field, table, alignedWith }, width),
        target:
          column !== undefined && (targets ?? ['item', 'shop']).includes(table)
            ? g.slice(input, column.offset, width)
            : undefined,
      };
    }),
    ages:
      hasAges === true ? g.input({ kind: 'factors', field: AGES, pooling: 'sum', alignedWith: domain }, 1) : undefined,
    weights: isWeighted === true ? g.input({ kind: 'factors', field: domain, pooling: 'mean' }, 1) : undefined,
    maxItems: MAX_ITEMS,
  });
}

/** Builds a plan whose only layer above the encoder is linear; its predictions are also the columns of the encoder. */
export function planOfEncoder(given: EncoderCase, step?: Plan['step']): Plan {
  const plan = planOf(LAYOUT, (g, input, y) => {
    const { output, weights, positions } = encode(g, input, given);
    const logit = g.linear(output, 1, 'out');
    const columns = Array.from({ length: output.width }, (_, c) => [`column ${c}`, g.slice(output, c, 1)] as const);
    return {
      predictions: { p: g.activation(logit, 'sigmoid', 'p'), ...Object.fromEntries(columns) },
      terms: [{ name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(logit, y) }],
      ...(weights && { attention: [{ sequence: 'clicked', encoder: given.spec.name, weights, positions }] }),
    };
  });
  return { ...plan, ...(step && { step }) };
}

/** Random rows with given numbers of items. */
export function batchWith(counts: readonly number[], seed: number): Batch {
  const random = randomStream(seed, 'encoder');
  const offsets = Uint32Array.from([0, ...counts]);
  for (let b = 0; b < counts.length; b++) offsets[b + 1]! += offsets[b]!;
  const weights = Float32Array.from({ length: offsets.at(-1)! }, () => 1 + random.below(4));
  const times = randomStream(seed, 'ages');
  const ages = weights.map(() => times.below(40) ** 2);
  const draw = (table: TableName, length: number): Uint32Array => {
    const { rows } = TABLES.find(({ name }) => name === table)!;
    return Uint32Array.from({ length }, () => random.below(rows));
  };
  return toBatch({
    rows: counts.length,
    ids: new Map((['item', 'shop'] as const).map((table) => [table, draw(table, counts.length)])),
    bags: new Map([
      ...TABLES.map(({ name }): [string, BagColumn] => [
        sequenceOf(name).field,
        { type: 'list', offsets, ids: draw(name, weights.length), weights },
      ]),
      [AGES, { type: 'list', offsets, ids: new Uint32Array(ages.length), weights: ages }],
    ]),
    labels: new Map([['y', Float32Array.from(counts, () => Number(random.uniform() < 0.4))]]),
  });
}

/** Random rows with 0 to `MAX_ITEMS` items, every fourth without any. */
export function encoderBatch(rows: number, seed: number): Batch {
  const random = randomStream(seed, 'counts');
  return batchWith(
    Array.from({ length: rows }, (_, b) => (b % 4 === 0 ? 0 : 1 + random.below(MAX_ITEMS))),
    seed,
  );
}
