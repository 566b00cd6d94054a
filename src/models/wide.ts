import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { inputOption, ofGroups, withoutEmbeddings, type Features } from '../graph/features.js';
import type { Value } from '../graph/operations.js';
import { resolveLoss, losses } from '../losses/losses.js';
import type { Task } from '../core/tasks.js';

/**
 * The wide part of Wide & Deep (Cheng et al. 2016, https://arxiv.org/abs/1606.07792): what the heads of any model add
 * to what towers say, linear
 * in the features. Each id has a number for each task, each number of a row a weight.
 */
export const wideOption = z
  .union([z.boolean(), z.strictObject({ input: inputOption('the linear part reads; default: all') })])
  .default(false)
  .describe('Whether each head adds a linear part: one weight per id and per number');
export type WideOption = z.output<typeof wideOption>;

/** What a model with such a part looks up beside its features; undefined where it has none. */
export function buildWidePart(
  option: WideOption,
  tasks: readonly Task[],
):
  | { readonly groups: readonly string[] | undefined; readonly width: number; readonly parts: readonly string[] }
  | undefined {
  if (option === false) return undefined;
  const parts = tasks.flatMap((task) => Array.from({ length: outputsOf(task) }, () => task.name));
  return { groups: option === true ? undefined : option.input, width: parts.length, parts };
}

function outputsOf(task: Task): number {
  return losses.build(resolveLoss(task)).outputs;
}

/**
 * What the wide part adds to the numbers of each task's head, by name.
 * @param looked `[B, fields * width]`: what was looked up of each field, one after the other; undefined where no field
 * has ids
 * @param features those of the whole config
 */
export function wideSums(
  g: GraphBuilder,
  option: WideOption,
  tasks: readonly Task[],
  looked: Value | undefined,
  features: Features,
): ReadonlyMap<string, Value> {
  const part = buildWidePart(option, tasks);
  if (part === undefined) return new Map();
  const numbers = withoutEmbeddings(g, ofGroups(g, features, part.groups));
  const ids = looked && sumOfFields(g, looked, part.width);
  let begin = 0;
  return new Map(
    tasks.map((task): [string, Value] => {
      const outputs = outputsOf(task);
      const ofIds = ids && g.slice(ids, begin, outputs);
      const ofNumbers = numbers && g.linear(numbers, outputs, `wide.${task.name}`, { bias: false });
      begin += outputs;
      return [
        task.name,
        ofIds !== undefined && ofNumbers !== undefined ? g.add(ofIds, ofNumbers) : (ofIds ?? ofNumbers)!,
      ];
    }),
  );
}

/** The sum of fields that lie side by side, `width` columns each: halves are added, so that it takes few operations. */
function sumOfFields(g: GraphBuilder, fields: Value, width: number): Value {
  const count = fields.width / width;
  if (count === 1) return fields;
  const half = Math.floor(count / 2) * width;
  const sum = sumOfFields(g, g.add(g.slice(fields, 0, half), g.slice(fields, half, half)), width);
  return 2 * half === fields.width ? sum : g.add(sum, g.slice(fields, 2 * half, width));
}
