import { listOperands, type Graph } from './graph.js';
import { isLoss, type Parameter, type Value } from './operations.js';

/** Which terms of the loss have a gradient in what: by their places among the graph's terms. */
export interface Reach {
  /** Of every trained parameter that a term reaches. */
  readonly parameters: ReadonlyMap<Parameter, ReadonlySet<number>>;
  /** Of the looked-up features, and so of the tables. */
  readonly features: ReadonlySet<number>;
}

/**
 * Follows every term's way back. Labels, masks and weights of losses are never differentiated, so no way leads through
 * them.
 */
export function computeReachability(graph: Graph): Reach {
  const parameters = new Map<Parameter, Set<number>>();
  const features = new Set<number>();
  for (const [t, { loss }] of graph.terms.entries()) {
    const seen = new Set<Value>();
    const visit = (value: Value): void => {
      if (seen.has(value)) return;
      seen.add(value);
      if (value.op === 'input' && value.source.kind === 'features') features.add(t);
      for (const parameter of parametersOf(value)) {
        const terms = parameters.get(parameter) ?? new Set();
        parameters.set(parameter, terms.add(t));
      }
      for (const operand of listDifferentiated(value)) visit(operand);
    };
    visit(loss);
  }
  return { parameters, features };
}

/** The operands that a value has a gradient in. */
export function listDifferentiated(value: Value): readonly Value[] {
  if (value.op === 'stopGradient') return [];
  if (value.op === 'crossEntropy') return [value.logit];
  if (value.op === 'groupLogSumExp' || value.op === 'groupPairs') return [value.x];
  return isLoss(value) ? predictedBy(value) : listOperands(value);
}

function predictedBy(loss: Extract<Value, { readonly mask: Value | undefined }>): readonly Value[] {
  const constants = new Set<Value | undefined>(['label' in loss ? loss.label : undefined, loss.mask, loss.weights]);
  return listOperands(loss).filter((operand) => !constants.has(operand));
}

/** The trained parameters that an operation holds. */
function parametersOf(value: Value): readonly Parameter[] {
  // Whatever an operation holds that looks like a parameter is one: an operation that is new needs no line here.
  return Object.values(value).filter(
    (each: unknown): each is Parameter =>
      typeof each === 'object' && each !== null && 'isTrainable' in each && each.isTrainable === true,
  );
}
