import { BATCH, isOfItems, type Domain } from './domain.js';
import { listOperands, listRequired, type Graph } from './graph.js';
import type { OperationName, Operations, Value, ValueOf, WeightRows } from './operations.js';

// A linear layer over items that reads rows of the batch computes them again for each item. As in
//   linear(concat([expand(q), k, q - k, q * k])) = (W_q + W_d) q + (W_k - W_d) k + W_p (q * k),
// the part of q is computed once for each row, and k is read once. The last two terms are one product with a matrix for
// each row of the batch: (W_k - W_d + W_p diag(q)) k.

export interface CombineOptions {
  /** Whether products of items and rows become matrices for each row of the batch. */
  readonly folds: boolean;
}

/** A value that a layer reads, and the rows of the weight that multiply it. */
interface Part {
  readonly value: Value;
  readonly matrix: WeightRows;
}

/** The product of items (`factor`) and of the row of the batch (`scale`) that they belong to. */
interface Product extends Part {
  readonly factor: Value;
  readonly scale: Value;
}

/** Parts of a layer over items. */
interface Parts {
  /** Rows of the batch. */
  readonly batch: readonly Part[];
  readonly items: readonly Part[];
  readonly products: readonly Product[];
}

/**
 * Rewrites linear layers over concatenated items of which some are expanded rows of the batch. Parameters, and names of
 * predictions and terms remain. Returns the graph itself if it has no such layer.
 */
export function combineLinears(graph: Graph, options: CombineOptions): Graph {
  const rewrite = new Rewrite(graph.values.length);
  for (const value of graph.values) rewrite.add(value, options);
  return rewrite.isChanged ? rewrite.finish(graph) : graph;
}

/** Values of a graph, some of which replace others. */
class Rewrite {
  isChanged = false;
  readonly #values: Value[] = [];
  readonly #replaced = new Map<Value, Value>();
  #nextId: number;

  /** @param nextId first unused id of a value */
  constructor(nextId: number) {
    this.#nextId = nextId;
  }

  add(original: Value, { folds }: CombineOptions): void {
    const value = this.#withReplacedOperands(original);
    const parts = value.op === 'linear' ? splitParts(value.x, folds) : undefined;
    if (parts === undefined) this.#values.push(value);
    else this.isChanged = true;
    const result = parts === undefined ? value : this.#addLayer(value as ValueOf<'linear'>, parts, folds);
    if (result !== original) this.#replaced.set(original, result);
  }

  /** Returns the rewritten graph, without values that nothing reads anymore. */
  finish(graph: Graph): Graph {
    const replaced = <Some extends Value>(value: Some): Some => (this.#replaced.get(value) ?? value) as Some;
    const rewritten: Graph = {
      ...graph,
      values: this.#values,
      predictions: new Map([...graph.predictions].map(([task, value]) => [task, replaced(value)])),
      terms: graph.terms.map((term) => ({ ...term, loss: replaced(term.loss) })),
      ...(graph.gates && {
        gates: new Map([...graph.gates].map(([name, gate]) => [name, { ...gate, shares: replaced(gate.shares) }])),
      }),
      ...(graph.attention && {
        attention: graph.attention.map((each) => ({
          ...each,
          weights: replaced(each.weights),
          positions: each.positions && replaced(each.positions),
        })),
      }),
    };
    const [before, after] = [graph, rewritten].map((each) => new Set(listRequired(each, listOutputs(each))));
    return { ...rewritten, values: this.#values.filter((value) => after!.has(value) || !before!.has(value)) };
  }

  #withReplacedOperands(value: Value): Value {
    if (!listOperands(value).some((operand) => this.#replaced.has(operand))) return value;
    const replace = (attribute: unknown): unknown =>
      Array.isArray(attribute) ? attribute.map(replace) : (this.#replaced.get(attribute as Value) ?? attribute);
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replace(each)])) as unknown as Value;
  }

  #addLayer({ weight, bias, width, rows }: ValueOf<'linear'>, parts: Parts, folds: boolean): Value {
    const { batch, items, products } = parts;
    const base =
      batch.length === 0
        ? undefined
        : this.#push('combinedLinear', width, BATCH, { ...this.#read(batch), base: undefined, weight, bias });
    const rest = { base, weight, bias: base === undefined ? bias : undefined };
    // A factor has one matrix for each row.
    const folded = folds
      ? products.filter(({ factor }, i) => products.findIndex((p) => p.factor === factor) === i)
      : [];
    const others = products.filter((product) => !folded.includes(product));
    if (base !== undefined && items.length + products.length === 0)
      return this.#push('expand', width, rows, { x: base });
    if (folded.length === 0)
      return this.#push('combinedLinear', width, rows, { ...this.#read([...items, ...others]), ...rest });
    const factors = folded.map(({ factor }): Part => {
      const item = items.find(({ value }) => value === factor);
      return item ?? { value: factor, matrix: { count: factor.width, terms: [] } };
    });
    const plain = items.filter((item) => !factors.includes(item));
    return this.#push('scaledLinear', width, rows, {
      ...this.#read([...factors, ...plain, ...others]),
      ...rest,
      scale: this.#concat(folded.map(({ scale }) => scale)),
      scaledMatrix: folded.map(({ matrix }) => matrix),
    });
  }

  #read(parts: readonly Part[]): { readonly x: Value; readonly matrix: readonly WeightRows[] } {
    return { x: this.#concat(parts.map(({ value }) => value)), matrix: parts.map(({ matrix }) => matrix) };
  }

  #concat(xs: readonly Value[]): Value {
    const width = xs.reduce((sum, x) => sum + x.width, 0);
    return xs.length === 1 ? xs[0]! : this.#push('concat', width, xs[0]!.rows, { xs });
  }

  #push<Name extends OperationName>(op: Name, width: number, rows: Domain, attributes: Operations[Name]): Value {
    const value = { ...attributes, op, width, rows, id: this.#nextId++ } as unknown as Value;
    this.#values.push(value);
    return value;
  }
}

const listOutputs = ({ predictions, terms, gates }: Graph): readonly Value[] => [
  ...predictions.values(),
  ...terms.map(({ loss }) => loss),
  ...[...(gates?.values() ?? [])].map(({ shares }) => shares),
];

/** Returns the parts of what a layer over items reads; undefined if there is nothing to compute once per row. */
function splitParts(read: Value, folds: boolean): Parts | undefined {
  if (!isOfItems(read.rows)) return undefined;
  const xs = read.op === 'concat' ? read.xs : [read];
  const batch = new Map<Value, WeightRows>();
  const items = new Map<Value, WeightRows>();
  let begin = 0;
  for (const x of xs) {
    for (const { value, factor } of listSummands(x, xs)) {
      const [parts, key] = value.op === 'expand' ? [batch, value.x] : [items, value];
      const terms = [...(parts.get(key)?.terms ?? []), { begin, factor }];
      parts.set(key, { count: x.width, terms });
    }
    begin += x.width;
  }
  const all = [...items].map(([value, matrix]) => ({ value, matrix, ...findProduct(value) }));
  const isProduct = (part: Part & Partial<Product>): part is Product => part.factor !== undefined;
  if (batch.size === 0 && !(folds && all.some(isProduct))) return undefined;
  return {
    batch: [...batch].map(([value, matrix]) => ({ value, matrix })),
    items: all.filter((part) => !isProduct(part)),
    products: all.filter(isProduct),
  };
}

/** A value times a number. */
interface Summand {
  readonly value: Value;
  readonly factor: number;
}

/**
 * Returns the summands of a part of a concatenation; the part itself if a layer would read more columns of items
 * otherwise.
 */
function listSummands(x: Value, xs: readonly Value[]): readonly Summand[] {
  const found = decompose(x, 1);
  const added = found.filter(({ value }) => value.op !== 'expand' && !xs.includes(value));
  return found.some(({ value }) => value.op === 'expand') && added.length <= 1 ? found : [{ value: x, factor: 1 }];
}

function decompose(value: Value, factor: number): readonly Summand[] {
  if (value.op === 'add') return [...decompose(value.a, factor), ...decompose(value.b, factor)];
  if (value.op === 'affine' && value.offset === 0) return decompose(value.x, factor * value.factor);
  return [{ value, factor }];
}

/** Returns the operands of a product of items and rows of the batch. */
function findProduct(value: Value): Pick<Product, 'factor' | 'scale'> | undefined {
  if (value.op !== 'multiply') return undefined;
  const { a, b } = value;
  if (a.op === 'expand' && b.op !== 'expand') return { scale: a.x, factor: b };
  return b.op === 'expand' && a.op !== 'expand' ? { scale: b.x, factor: a } : undefined;
}
