import { describeOperation } from './descriptors.js';
import { listOperands, type Graph } from './graph.js';
import type { Parameter, Value, ValueOf } from './operations.js';

/** Indices of the terms of the loss that have a gradient with respect to parameters and features. */
export interface Reach {
  /** Terms per trained parameter that at least one term reaches. */
  readonly parameters: ReadonlyMap<Parameter, ReadonlySet<number>>;
  /** Terms that reach the looked-up features or items, and so the embedding tables. */
  readonly features: ReadonlySet<number>;
}

/** Follows the backward pass of every term. Labels, masks and weights of losses are never differentiated. */
export function computeReachability(graph: Graph): Reach {
  const parameters = new Map<Parameter, Set<number>>();
  const features = new Set<number>();
  for (const [t, { loss }] of graph.terms.entries()) {
    const visited = new Set<Value>();
    const visit = (value: Value): void => {
      if (visited.has(value)) return;
      visited.add(value);
      if (isDifferentiated(value)) features.add(t);
      for (const parameter of listTrainable(value)) {
        const terms = parameters.get(parameter) ?? new Set();
        parameters.set(parameter, terms.add(t));
      }
      for (const operand of listDifferentiated(value)) visit(operand);
    };
    visit(loss);
  }
  return { parameters, features };
}

/** Returns whether a value is an input with a gradient: features or items. */
function isDifferentiated(value: Value): boolean {
  return value.op === 'input' && (value.source.kind === 'features' || value.source.kind === 'items');
}

/** Returns the operands with respect to which a value has a gradient. */
export function listDifferentiated(value: Value): readonly Value[] {
  const { constants = [] } = describeOperation(value.op);
  if (value.op === 'segmentPool' && !hasTrainedWeights(value)) return [value.x];
  return listOperands(Object.fromEntries(Object.entries(value).filter(([name]) => !constants.includes(name))));
}

/** Returns whether a pooling is differentiated with respect to its weights: not if they are factors. */
export function hasTrainedWeights({ weights }: ValueOf<'segmentPool'>): boolean {
  return weights !== undefined && !(weights.op === 'input' && weights.source.kind === 'factors');
}

function listTrainable(value: Value): readonly Parameter[] {
  // Any attribute that looks like a parameter is one, so that a new operation requires no change here.
  return Object.values(value).filter(
    (each: unknown): each is Parameter =>
      typeof each === 'object' && each !== null && 'isTrainable' in each && each.isTrainable === true,
  );
}
