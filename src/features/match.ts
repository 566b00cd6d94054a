import { z } from 'zod';
import type { DictionaryValues, Lists } from '../chunks/column.js';
import type { OptionsOf } from '../core/component.js';
import { columnName } from '../core/tasks.js';
import { checkSeparators, listOptions } from './bag.js';
import { computedFields, computeOnce, readTexts, type Compute } from './computed.js';
import type { OccurrenceOutput, Occurrences } from './computed-rule.js';
import { defineColumnGroup } from './field-group.js';
import { itemTexts } from './item-comparer.js';
import { listReading, NO_ID, weightProblem } from './kinds/bag.js';
import { encodedNumber, numberEncodingOption } from './number-encodings.js';

/** Sums over the items of a history that equal the candidate. */
interface Matches {
  readonly count: number;
  readonly weight: number;
  /** Weight of all items. */
  readonly total: number;
  /** Position of the newest match, from 1 for the newest item; 0 without a match. */
  readonly recency: number;
}

/** Outputs by their name in the config. */
const OUTPUTS = {
  present: ({ count }: Matches) => Number(count > 0),
  count: ({ count }: Matches) => count,
  weight: ({ weight }: Matches) => weight,
  share: ({ weight, total }: Matches) => (total === 0 ? 0 : weight / total),
  recency: ({ recency }: Matches) => recency,
} satisfies Readonly<Record<OccurrenceOutput, (found: Matches) => number>>;
const outputName = z.enum(Object.keys(OUTPUTS) as OccurrenceOutput[]);

const options = () => ({
  outputs: z
    .array(outputName)
    .min(1)
    .default(['present', 'count', 'share', 'recency'])
    .describe('Numbers per row, each a field: present, count, weight, share of the weight, recency (1 is the newest)'),
  newest: z.enum(['first', 'last']).default('last').describe('End of a history that has the newest item'),
  encoding: numberEncodingOption,
  ...listOptions,
});
type MatchOptions = OptionsOf<ReturnType<typeof options>>;

/** The columns that are compared. */
export interface MatchPair {
  readonly candidate: string;
  readonly history: string;
}

/**
 * Numbers that compare a candidate with a history of the same row: how often, how heavily and how recently its value
 * occurs. All are 0 if it does not occur, if it is missing, or if the history is empty.
 */
export const match = defineColumnGroup(
  {
    name: 'match',
    summary: 'occurrences of a value in a list of the same row: count, weight share and recency',
    options,

    *check(options: MatchOptions) {
      yield* checkSeparators(options);
      for (const [i, output] of options.outputs.entries())
        if (options.outputs.indexOf(output) < i)
          yield { path: ['outputs', i], message: `${output} is listed twice; remove one` };
    },

    build({ candidate, history }: MatchPair, options: MatchOptions) {
      const { outputs, newest, encoding, separators, format } = options;
      const form = { ...separators, format };
      const negative = outputs.includes('share') ? 'refused' : 'taken';
      const compute = computeOnce(compareColumns({ candidate, history }, outputs, { form, negative, newest }));
      return outputs.flatMap((output) =>
        computedFields(encodedNumber(encoding, `${candidate}_in_${history}_${output}`), {
          sources: [
            { name: candidate, holds: 'text' },
            { name: history, holds: 'bag', form },
          ],
          meaning: `the ${output} of ${candidate} in ${history}, newest ${newest}`,
          rule: { kind: 'occurrences', candidate, history, form, negative, newest, output },
          compute,
          output,
        }),
      );
    },
  },
  {
    keys: {
      candidate: columnName.describe('Column of the value that is searched for'),
      history: columnName.describe('Column of the list that is searched'),
    },
    // The schema guarantees their types.
    read: ({ candidate, history }) => ({ candidate: candidate as string, history: history as string }),
    describe: 'Pairs of columns, as in { candidate: category, history: seen_categories }, with options of their own',
  },
);

/** Returns the computation of all outputs. */
function compareColumns(
  { candidate, history }: MatchPair,
  outputs: readonly OccurrenceOutput[],
  { form, negative, newest }: Pick<Occurrences, 'form' | 'negative' | 'newest'>,
): Compute {
  const knownTexts = new WeakMap<DictionaryValues, string[]>();
  return (rows, cells) => {
    const values = readTexts(rows, candidate, cells);
    const lists = listReading(history, form, cells).read(rows);
    const textOf = itemTexts(lists.items, knownTexts);
    const columns = new Map(outputs.map((output) => [output, new Float64Array(rows.count)]));
    rows.eachKept([history], (row) => {
      const found = findMatches(lists, row, values[row]!, { textOf, negative, newest });
      for (const [output, numbers] of columns) numbers[row] = OUTPUTS[output](found);
    });
    return columns;
  };
}

/**
 * Compares a value with the items of a row; an empty value has no matches.
 * @throws InvalidValueError for an invalid item
 */
function findMatches(
  { offsets, weights }: Lists,
  row: number,
  value: string,
  reading: Pick<Occurrences, 'negative' | 'newest'> & { readonly textOf: (item: number) => string },
): Matches {
  const found = { count: 0, weight: 0, total: 0, recency: 0 };
  const [begin, end] = [offsets[row]!, offsets[row + 1]!];
  for (let item = begin; item < end; item++) {
    // As stored rows have it.
    const weight = Math.fround(weights?.[item] ?? 1);
    const problem = weightProblem(weight, reading);
    if (problem !== undefined) throw problem;
    const text = reading.textOf(item);
    if (text === '') throw NO_ID;
    found.total += weight;
    if (text !== value) continue;
    found.count++;
    found.weight += weight;
    if (reading.newest === 'last') found.recency = end - item;
    else found.recency ||= item - begin + 1;
  }
  return found;
}
