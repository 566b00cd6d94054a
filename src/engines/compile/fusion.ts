import { listReaders, type Graph } from '../../graph/graph.js';
import type { Value, ValueOf } from '../../graph/operations.js';
import { ACTIVATION_CODES, isSignSloped } from './operations/activation-codes.js';

/** Activations that the kernel of their operand applies before it stores its results, by that operand. */
export type Fusions = ReadonlyMap<Value, ValueOf<'activation'>>;

/** Returns the code of the activation that a value's kernel applies; 0 if there is none. */
export function fusedCode(fusions: Fusions, value: Value): number {
  const activation = fusions.get(value);
  return activation === undefined ? 0 : ACTIVATION_CODES[activation.kind]!;
}

/**
 * Finds the activations that need no pass of their own: the slope depends on the sign of the result alone, so that the
 * operand may be overwritten, and nothing else reads the operand, a batch norm or a linear layer. Linear layers that
 * read the same value are one product, so only the first of them that have the same activation are fused.
 */
export function fuseActivations(graph: Graph): Fusions {
  const readers = listReaders(graph);
  const activationOf = (value: Value): ValueOf<'activation'> | undefined => {
    const [reader, ...others] = readers.get(value)!;
    return others.length === 0 && reader?.op === 'activation' && isSignSloped(reader.kind) ? reader : undefined;
  };
  const fusions = new Map<Value, ValueOf<'activation'>>();
  for (const value of graph.values) {
    const own =
      value.op === 'batchNorm' || value.op === 'linear' || value.op === 'combinedLinear'
        ? activationOf(value)
        : undefined;
    if (own === undefined) continue;
    const product: readonly (Value | undefined)[] =
      value.op === 'linear' ? readers.get(value.x)!.filter((reader) => reader?.op === 'linear') : [value];
    const before = product.slice(0, product.indexOf(value));
    if (before.every((other) => fusions.get(other!)?.kind === own.kind)) fusions.set(value, own);
  }
  return fusions;
}
