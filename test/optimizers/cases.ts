import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** What make_cases.py wrote: for each rule, its weights after every step and its slots after some. */

const FOLDER = join(import.meta.dirname, 'cases');
const INPUTS = 'inputs.json';
const numbers = z.array(z.number());

const inputsSchema = z.strictObject({
  shape: z.tuple([z.int(), z.int()]),
  /** By kind, step for step. */
  gradients: z.strictObject({ dense: z.array(numbers), table: z.array(numbers) }),
  touched: z.array(z.array(z.int())),
  slotsAfter: z.array(z.int()),
});

const caseSchema = z.strictObject({
  options: z.looseObject({ learningRate: z.number() }),
  kind: z.enum(['dense', 'table']),
  lazy: z.boolean(),
  precision: z.enum(['float64', 'float32']),
  factors: numbers,
  initial: numbers,
  weights: z.array(numbers),
  slots: z.record(z.string(), z.array(numbers)),
});

/** One step of a case. Arrays are [rows, width], row by row. */
export interface OptimizerStep {
  readonly learningRate: number;
  /** Rows of a table that the step touches; all of them for dense weights. */
  readonly touched: readonly number[];
  /** 0 in the rows that are not touched. */
  readonly gradient: readonly number[];
  readonly weights: readonly number[];
  /** By name, [rows, width] or [rows]; undefined after most steps, and in single precision. */
  readonly slots: Readonly<Record<string, readonly number[]>> | undefined;
}

/** A rule with its options, from first weights through all its steps. */
export interface OptimizerCase {
  readonly title: string;
  readonly rule: string;
  readonly options: Readonly<Record<string, unknown>> & { readonly learningRate: number };
  readonly rows: number;
  readonly width: number;
  readonly kind: 'dense' | 'table';
  /** Rows that a step does not touch stay as they are. */
  readonly lazy: boolean;
  /** What the numbers were computed in. */
  readonly precision: 'float64' | 'float32';
  readonly initial: readonly number[];
  readonly steps: readonly OptimizerStep[];
}

/** The rules that there are cases of. */
export function rulesWithCases(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((file) => file !== INPUTS)
    .map((file) => file.replace(/\.json$/, ''))
    .sort();
}

/** All cases of a rule; none for one that is not in make_cases.py yet. */
export function casesOf(rule: string): readonly OptimizerCase[] {
  if (!rulesWithCases().includes(rule)) return [];
  const {
    shape: [rows, width],
    gradients,
    touched,
    slotsAfter,
  } = inputsSchema.parse(read(INPUTS));
  const all = Array.from({ length: rows }, (_, row) => row);
  return z
    .array(caseSchema)
    .parse(read(`${rule}.json`))
    .map(({ factors, weights, slots, ...given }) => ({
      ...given,
      title: `${rule} ${given.kind}${given.lazy ? ' lazy' : ''} ${given.precision} ${JSON.stringify(given.options)}`,
      rule,
      rows,
      width,
      steps: factors.map((factor, step) => ({
        learningRate: given.options.learningRate * factor,
        touched: given.kind === 'dense' ? all : touched[step]!,
        gradient: gradients[given.kind][step]!,
        weights: weights[step]!,
        slots:
          Object.keys(slots).length > 0 && slotsAfter.includes(step + 1)
            ? Object.fromEntries(
                Object.entries(slots).map(([name, values]) => [name, values[slotsAfter.indexOf(step + 1)]!]),
              )
            : undefined,
      })),
    }));
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
