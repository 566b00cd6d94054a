import type { Graph } from '../graph/graph.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';

/** Gradients and updates of a step, for inspection. */
export interface Diagnosis {
  /**
   * Products between the terms' gradients on shared weights, tables included: a square matrix in row-major order,
   * without the terms' weights.
   */
  readonly gramian: Float64Array;
  /** By layer: a table, or parameters whose names differ only in the last part. */
  readonly layers: ReadonlyMap<string, LayerNorms>;
  /** By gate of the graph. */
  readonly gates: ReadonlyMap<string, GateUse>;
}

/** Norms in one layer. */
export interface LayerNorms {
  /** Norm of the gradient that the step applies, before clipping. */
  readonly gradient: number;
  /** Norm of the change of the weights. */
  readonly update: number;
}

/** Use of a gate over the rows of a batch. */
export interface GateUse {
  /** Mean share of each expert. */
  readonly means: readonly number[];
  /**
   * Mean over rows of -Σ share · ln share: 0 if each row has one expert, ln of the number of experts if all have equal
   * shares.
   */
  readonly entropy: number;
}

/** Products between the terms' gradients of one tensor: a square matrix in row-major order. */
export interface TensorProducts {
  readonly layer: string;
  /** Whether several terms depend on it. */
  readonly isShared: boolean;
  readonly gramian: Float64Array;
}

/** Weights of the terms' gradients in a step, on shared weights and on each term's own. */
export interface TermWeights {
  readonly shared: readonly number[];
  readonly own: readonly number[];
}

/** Returns the layer of a parameter. */
export function layerName(parameter: string): string {
  return parameter.slice(0, parameter.lastIndexOf('.'));
}

/**
 * Assembles a diagnosis.
 * @param squares squared norms of the step's updates, by layer
 */
export function assembleDiagnosis(
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
  // Cancellation may leave a value slightly below 0.
  const root = (value: number): number => Math.sqrt(Math.max(0, value));
  return {
    gramian,
    gates,
    layers: new Map(
      [...gradients].map(([layer, value]) => [layer, { gradient: root(value), update: root(squares.get(layer) ?? 0) }]),
    ),
  };
}

/** Computes |Σ weight · gradient|² from the products between the gradients. */
function square(gramian: Float64Array, weights: readonly number[]): number {
  let sum = 0;
  for (const [i, a] of weights.entries())
    for (const [j, b] of weights.entries()) sum += a * b * gramian[i * weights.length + j]!;
  return sum;
}

/** Sums the use of gates over the passes of a step. */
export interface GateSums {
  /**
   * Adds the shares of a pass.
   * @param shares of `rows` rows, `stride` floats apart
   */
  add(gate: string, shares: Float32Array, stride: number, rows: number): void;
  /** Returns the use of each gate over the rows of all processes. */
  uses(peers?: ProcessGroup): ReadonlyMap<string, GateUse>;
}

/** Creates the sums for the gates of a graph. */
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
