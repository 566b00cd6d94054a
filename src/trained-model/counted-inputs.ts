import type { CounterPlan } from '../data/counters/counter-plan.js';
import type { EncodedField } from '../features/feature.js';
import { listInputs, type ModelInput } from '../features/model-input.js';

/** Lists the counters that fields read. */
export function listReadCounters(plan: CounterPlan, fields: readonly EncodedField[]): readonly string[] {
  const read = new Set(fields.flatMap(({ columns }) => columns));
  return plan.names.filter((name) => read.has(name));
}

/** Lists the columns of some fields, and those from which their counters are computed. */
export function listCountedInputs(plan: CounterPlan, fields: readonly EncodedField[]): readonly ModelInput[] {
  const counters = listReadCounters(plan, fields);
  const inputs = listInputs(fields).map((input): ModelInput =>
    counters.includes(input.name) ? { ...input, isOptional: true } : input,
  );
  const keys = plan.specs.flatMap(({ name, by }) => (counters.includes(name) ? by : []));
  const others = new Set(counters.length === 0 ? [] : [plan.time, ...keys]);
  for (const { name } of inputs) others.delete(name);
  return [...inputs, ...[...others].map((name): ModelInput => ({ name, holds: 'text', isOptional: true }))];
}

/** Lists the columns that a row must have. */
export function listRequired(inputs: readonly ModelInput[]): readonly string[] {
  return inputs.flatMap(({ name, isOptional }) => (isOptional === true ? [] : [name]));
}
