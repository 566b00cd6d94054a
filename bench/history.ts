import type { BagColumn } from '../src/core/batch.js';
import { randomStream, type Random } from '../src/core/random.js';
import type { Plan } from '../src/engines/engine.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { lookUp } from '../src/graph/lookups.js';
import { tower } from '../src/graph/mlp.js';
import type { Value } from '../src/graph/operations.js';
import { encoders } from '../src/sequences/encoders.js';

// Histories of items, next to the fields of a row: item, category, shop and brand, which share the candidate's tables.

/** The history of a workload. */
export interface History {
  /** Fields of the candidate that the history has too, the item first. */
  readonly fields: readonly string[];
  /** Number of items of every row, or a power law from 1 to `MAX_ITEMS` with a mean of `MEAN_ITEMS`. */
  readonly length: number | 'power law';
  /** Number of items of a row that a search selects for the attention; default: all. */
  readonly top?: number;
  /** Encoder of mtl in place of the attention of the DIN paper, with options as in a config. */
  readonly encoder?: object;
}

/** Maximum number of items per row, and their mean in a power law. */
export const MAX_ITEMS = 200;
export const MEAN_ITEMS = 50;
/** Units of the attention layer (Zhou et al. 2018, section 5.2). */
export const ATTENTION_UNITS = 36;
/** Width of the projections of a search. */
export const SEARCH_WIDTH = 16;
const TOWER = { hidden: [16, 8], activation: 'relu' as const, dropout: 0, batchNorm: false };

const historyOf = (field: string): string => `history.${field}`;

/** Returns the sequence of a layout. An encoder compares all fields with the candidate's. */
export function sequencesOf(
  { fields, length, encoder }: History,
  width: number,
): NonNullable<Plan['layout']['sequences']> {
  return [
    {
      name: 'history',
      maxItems: length === 'power law' ? MAX_ITEMS : length,
      fields: fields.map((table) => ({ field: historyOf(table), kind: 'id', table, width, target: table })),
      encoders: encoder === undefined ? [] : [encoders.schema.parse(encoder)],
    },
  ];
}

/**
 * ESMM (Ma et al. 2018) on the fields and on attention to the history in the form of the DIN paper (Zhou et al. 2018):
 * a layer reads candidate, item, their difference and their product; weights are not normalized. A search selects items
 * by inner products of embeddings and of projections; the layer also reads these products.
 */
export function historyGraph({ fields, top }: History, layout: Plan['layout']): Plan['graph'] {
  const g = new GraphBuilder();
  const input = lookUp(g, layout.columns);
  const columns = fields.map((field) => layout.columns.find((column) => column.field === field)!);
  const candidate = g.concat(columns.map(({ offset, width }) => g.slice(input, offset, width)));
  const domain = historyOf(fields[0]!);
  const all = g.concat(
    fields.map((table) => {
      const width = layout.tables.find(({ name }) => name === table)!.width;
      return g.input({ kind: 'items', field: historyOf(table), table, alignedWith: domain }, width);
    }),
  );
  const { items, products } = top === undefined ? { items: all, products: [] } : selectItems(g, candidate, all, top);
  const q = g.expand(candidate, items.rows);
  const pair = g.concat([q, items, g.add(q, g.affine(items, -1, 0)), g.multiply(q, items), ...products]);
  const hidden = g.activation(g.linear(pair, ATTENTION_UNITS, 'attention.0'), 'prelu', 'attention.0');
  const pooled = g.segmentPool(items, 'sum', g.linear(hidden, 1, 'attention.1'));
  const x = g.concat([input, pooled]);
  const [ctr, cvr] = [tower(g, x, TOWER, 'ctr'), tower(g, x, TOWER, 'cvr')];
  const [click, purchase] = ['click', 'purchase'].map((column) => g.input({ kind: 'label', column }, 1)) as [
    Value,
    Value,
  ];
  return {
    values: g.values,
    parameters: g.parameters,
    predictions: new Map([
      ['ctr', g.activation(ctr, 'sigmoid', 'ctr')],
      ['cvr', g.activation(cvr, 'sigmoid', 'cvr')],
    ]),
    terms: [
      { name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(ctr, click) },
      { name: 'ctcvr', weight: 1, loss: g.binaryCrossEntropy(g.productLogit(ctr, cvr), purchase) },
    ],
  };
}

/** Returns the items with the largest products, and these. */
function selectItems(
  g: GraphBuilder,
  candidate: Value,
  all: Value,
  top: number,
): { readonly items: Value; readonly products: readonly Value[] } {
  const projected = g.linear(candidate, SEARCH_WIDTH, 'search.0', { bias: false });
  const query = g.add(candidate, g.linear(projected, candidate.width, 'search.1', { bias: false, firstWeight: 0 }));
  const items = g.gatherItems(all, g.selectTop(g.itemProduct(all, query), top));
  return { items, products: [g.itemProduct(items, query)] };
}

/** Draws ids of candidates and histories. Each item has one category, shop and brand. */
export class HistoryIds {
  readonly #history: History;
  readonly #random: Random;
  readonly #draw: (field: string) => number;
  /** By field besides the item: its id, by item. */
  readonly #sides: ReadonlyMap<string, Uint32Array>;
  readonly #lengths: readonly number[];

  /** @param draw draws an id of a field */
  constructor(history: History, numItems: number, random: Random, draw: (field: string) => number) {
    this.#history = history;
    this.#random = random;
    this.#draw = draw;
    this.#sides = new Map(
      history.fields.slice(1).map((field) => [field, Uint32Array.from({ length: numItems }, () => draw(field))]),
    );
    this.#lengths = cumulativeLengths();
  }

  /** Returns ids by field of the candidates, and the bags of the histories. */
  next(rows: number): { readonly ids: Map<string, Uint32Array>; readonly bags: Map<string, BagColumn> } {
    const offsets = new Uint32Array(rows + 1);
    for (let b = 0; b < rows; b++) offsets[b + 1] = offsets[b]! + this.#length();
    const items = this.#items(offsets[rows]!);
    const weights = new Float32Array(offsets[rows]!).fill(1);
    return {
      ids: this.#items(rows),
      bags: new Map([...items].map(([field, ids]) => [historyOf(field), { type: 'list', offsets, ids, weights }])),
    };
  }

  #items(count: number): Map<string, Uint32Array> {
    const [first] = this.#history.fields;
    const items = Uint32Array.from({ length: count }, () => this.#draw(first!));
    return new Map([
      [first!, items],
      ...[...this.#sides].map(([field, side]) => [field, items.map((item) => side[item]!)] as const),
    ]);
  }

  #length(): number {
    const { length } = this.#history;
    if (length !== 'power law') return length;
    const chance = this.#random.uniform();
    return 1 + this.#lengths.findIndex((share) => chance <= share);
  }
}

/** Returns the cumulative distribution of lengths l from 1 on: in proportion to l^-a, with a mean of MEAN_ITEMS. */
function cumulativeLengths(): readonly number[] {
  const lengths = Array.from({ length: MAX_ITEMS }, (_, i) => i + 1);
  const shares = (a: number): readonly number[] => {
    const powers = lengths.map((length) => length ** -a);
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  };
  const mean = (a: number): number => shares(a).reduce((sum, share, i) => sum + share * lengths[i]!, 0);
  let [low, high] = [0, 2];
  for (let round = 0; round < 50; round++) {
    const middle = (low + high) / 2;
    if (mean(middle) > MEAN_ITEMS) low = middle;
    else high = middle;
  }
  let sum = 0;
  return shares(low).map((share, i) => (i === MAX_ITEMS - 1 ? 1 : (sum += share)));
}

/** Creates a stream for the ids of histories. */
export const historyStream = (): Random => randomStream(1, 'history');
