import { UserError, type Problem } from '../core/errors.js';
import type { Graph } from '../graph/graph.js';
import type { InputLayout } from '../tables/layout.js';
import type { HostTensor } from '../core/tensor.js';
import { tableTensor, type ProgramState } from './engine.js';

/** Shapes of tensors, by name. */
export type Shapes = ReadonlyMap<string, Pick<HostTensor, 'shape'>>;

/**
 * Validates that a saved state is of the same model; an empty `optimizer` is accepted.
 * @throws UserError (checkpoint) that names each tensor that is missing, unexpected or of another shape
 */
export function refuseOtherTensors(
  live: { readonly weights: Shapes; readonly optimizer: Shapes },
  saved: ProgramState,
): void {
  const problems = differences(live.weights, saved.weights, 'weights.safetensors');
  if (saved.optimizer.size > 0) problems.push(...differences(live.optimizer, saved.optimizer, 'optimizer.safetensors'));
  if (problems.length > 0) throw new UserError('checkpoint', problems);
}

/**
 * Validates that the weights in a file are of a model, before any is read.
 * @param path for error messages
 * @throws UserError (checkpoint) that names each tensor that is missing, unexpected or of another shape
 */
export function refuseOtherWeights(
  { graph, layout }: { readonly graph: Graph; readonly layout: InputLayout },
  found: Shapes,
  path: string,
): void {
  const dense = graph.parameters.map(({ name, shape }) => [name, { shape }] as const);
  const tables = layout.tables.map(({ name, rows, width }) => [tableTensor(name), { shape: [rows, width] }] as const);
  const problems = differences(new Map([...dense, ...tables]), found, path, 'use another checkpoint');
  if (problems.length > 0) throw new UserError('checkpoint', problems);
}

function differences(
  expected: Shapes,
  found: Shapes,
  where: string,
  fix = "use the config of the checkpoint's run",
): Problem[] {
  const problems: Problem[] = [];
  for (const [key, { shape }] of expected) {
    const other = found.get(key);
    if (other === undefined) problems.push({ where, key, message: 'is in the model, but not in the checkpoint', fix });
    else if (other.shape.join() !== shape.join()) {
      problems.push({
        where,
        key,
        message: `expected shape [${shape.join(', ')}], found [${other.shape.join(', ')}]`,
        fix,
      });
    }
  }
  for (const key of found.keys()) {
    if (!expected.has(key)) problems.push({ where, key, message: 'is in the checkpoint, but not in the model', fix });
  }
  return problems;
}
