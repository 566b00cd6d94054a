import { z } from 'zod';
import { IncompatibleFeaturesError } from '../core/component.js';
import type { GraphBuilder } from '../graph/builder.js';
import { inputOption, selectGroups, withoutEmbeddings, type Features } from '../graph/features.js';
import type { Value } from '../graph/operations.js';
import { countOutputs } from '../delay/delays.js';
import type { Task } from '../core/tasks.js';

/**
 * The wide part of Wide & Deep (Cheng et al. 2016, https://arxiv.org/abs/1606.07792): linear in the features, added to
 * the heads of any model. Each id has one weight per task output, and so has each number.
 */
export const wideOption = z
  .union([z.boolean(), z.strictObject({ input: inputOption('the linear part reads; default: all') })])
  .default(false)
  .describe('Whether each head adds a linear part: one weight per id and per number');
export type WideOption = z.output<typeof wideOption>;

/** Returns what the wide part looks up besides the features; undefined without a wide part. */
export function buildWidePart(
  option: WideOption,
  tasks: readonly Task[],
):
  | { readonly groups: readonly string[] | undefined; readonly width: number; readonly parts: readonly string[] }
  | undefined {
  if (option === false) return undefined;
  const parts = tasks.flatMap((task) => Array.from({ length: countOutputs(task) }, () => task.name));
  return { groups: option === true ? undefined : option.input, width: parts.length, parts };
}

/**
 * Computes the contribution of the wide part to each task's head, by task name.
 * @param lookups `[B, fields * width]`: the looked-up weights of each field, concatenated; undefined if no field has
 * ids
 * @param features the features of the whole config, without sequences; undefined if there are none
 * @throws IncompatibleFeaturesError if the selected groups have no ids and no numbers
 */
export function wideSums(
  g: GraphBuilder,
  option: WideOption,
  tasks: readonly Task[],
  lookups: Value | undefined,
  features: Features | undefined,
): ReadonlyMap<string, Value> {
  const part = buildWidePart(option, tasks);
  if (part === undefined) return new Map();
  const { groups } = part;
  const isRead = features?.fields.some(({ group }) => groups === undefined || groups.includes(group!)) === true;
  const numbers = isRead ? withoutEmbeddings(g, selectGroups(g, features, groups)) : undefined;
  const ids = lookups && sumOfFields(g, lookups, part.width);
  if (numbers === undefined && ids === undefined)
    throw new IncompatibleFeaturesError({
      path: ['model', 'wide', ...(groups === undefined ? [] : ['input'])],
      message: 'has no ids and no numbers to read, since items of sequences have no wide weights; add another group',
    });
  let begin = 0;
  return new Map(
    tasks.map((task): [string, Value] => {
      const outputs = countOutputs(task);
      const idSum = ids && g.slice(ids, begin, outputs);
      const numberSum = numbers && g.linear(numbers, outputs, `wide.${task.name}`, { bias: false });
      begin += outputs;
      return [
        task.name,
        idSum !== undefined && numberSum !== undefined ? g.add(idSum, numberSum) : (idSum ?? numberSum)!,
      ];
    }),
  );
}

/** Sums the fields of `width` columns each. Halves are added, which takes few operations. */
function sumOfFields(g: GraphBuilder, fields: Value, width: number): Value {
  const count = fields.width / width;
  if (count === 1) return fields;
  const half = Math.floor(count / 2) * width;
  const sum = sumOfFields(g, g.add(g.slice(fields, 0, half), g.slice(fields, half, half)), width);
  return 2 * half === fields.width ? sum : g.add(sum, g.slice(fields, 2 * half, width));
}
