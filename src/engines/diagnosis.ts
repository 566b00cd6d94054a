import type { Graph } from '../graph/graph.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';

/** What a step is made of, for people to look at. */
export interface Diagnosis {
  /**
   * Products between the terms' gradients on what they share, tables included; a square, row by row, without the terms'
   * weights.
   */
  readonly gramian: Float64Array;
  /** By layer: a table, or parameters whose names differ in their last part alone. */
  readonly layers: ReadonlyMap<string, LayerNorms>;
  /** By gate of the graph. */
  readonly gates: ReadonlyMap<string, GateUse>;
}

/** Norms in one layer. */
export interface LayerNorms {
  /** Of the gradient that the step applies, before it is clipped. */
  readonly gradient: number;
  /** Of what the step moves the weights by. */
  readonly update: number;
}

/** What a gate does over the rows of a batch. */
export interface GateUse {
  /** By expert: the mean of its share. */
  readonly means: readonly number[];
  /**
   * The mean over rows of -Σ share · ln share: 0 where each row has one expert, ln of their number where all count
   * alike.
   */
  readonly entropy: number;
}

/** Products between the terms' gradients of one tensor, a square, row by row. */
export interface TensorProducts {
  readonly layer: string;
  /** Whether several terms reach it. */
  readonly isShared: boolean;
  readonly gramian: Float64Array;
}

/** What the gradients of terms count in a step: where terms share, and elsewhere. */
export interface TermWeights {
  readonly shared: readonly number[];
  readonly own: readonly number[];
}

/** The layer of a parameter. */
export function layerOf(parameter: string): string {
  return parameter.slice(0, parameter.lastIndexOf('.'));
}

/**
 * Puts a diagnosis together.
 * @param squares by layer: of what the step moved its weights by
 */
export function diagnosisOf(
  products: readonly TensorProducts[],
  weights: TermWeights,
  squares: ReadonlyMap<string, number>,
  gates: ReadonlyMap<string, GateUse>,
): Diagnosis {
  const size = weights.shared.length;
  const gramian = new Float64Array(size * size);
  const gradients = new Map<string, number>();
  for (const tensor of products) {
    if (tensor.isShared) for (let i = 0; i < gramian.length; i++) gramian[i]! += tensor.gramian[i]!;
    gradients.set(
      tensor.layer,
      (gradients.get(tensor.layer) ?? 0) + square(tensor.gramian, tensor.isShared ? weights.shared : weights.own),
    );
  }
  // What cancels may come out a little below 0.
  const root = (value: number): number => Math.sqrt(Math.max(0, value));
  return {
    gramian,
    gates,
    layers: new Map(
      [...gradients].map(([layer, value]) => [layer, { gradient: root(value), update: root(squares.get(layer) ?? 0) }]),
    ),
  };
}

/** |Σ weight · gradient|² from the products between the gradients. */
function square(gramian: Float64Array, weights: readonly number[]): number {
  let sum = 0;
  for (const [i, a] of weights.entries())
    for (const [j, b] of weights.entries()) sum += a * b * gramian[i * weights.length + j]!;
  return sum;
}

/** Adds up what gates do over the passes of a step. */
export interface GateSums {
  /** @param shares of `rows` rows, each `stride` floats from the one before */
  add(gate: string, shares: Float32Array, stride: number, rows: number): void;
  /** Over the rows of all processes. */
  uses(peers?: ProcessGroup): ReadonlyMap<string, GateUse>;
}

/** Sums for the gates of a graph. */
export function createGateSums({ gates = new Map() }: Graph): GateSums {
  const sums = new Map(
    [...gates].map(([name, { experts }]) => [name, { shares: new Float64Array(experts.length), entropy: 0, rows: 0 }]),
  );
  return {
    add(gate, shares, stride, rows) {
      const sum = sums.get(gate)!;
      for (let b = 0; b < rows; b++) {
        for (let e = 0; e < sum.shares.length; e++) {
          const share = shares[b * stride + e]!;
          sum.shares[e]! += share;
          if (share > 0) sum.entropy -= share * Math.log(share);
        }
      }
      sum.rows += rows;
    },
    uses: (peers = SINGLE_PROCESS) =>
      new Map(
        [...sums].map(([name, { shares, entropy, rows }]) => {
          const all = Float64Array.of(rows, entropy, ...shares);
          peers.allReduceSumF64(all);
          const [entropyMean, ...means] = Array.from(all.subarray(1), (sum) => sum / all[0]!);
          return [name, { means, entropy: entropyMean! }];
        }),
      ),
  };
}
