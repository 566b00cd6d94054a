import { isBlank, type InspectedColumn } from './column-kind.js';

/** Maximum share of contradictions between an event and the event that it requires. */
export const MAX_VIOLATIONS = 0.02;
/** Minimum number of contradictions that two unrelated columns would have. */
const MIN_EXPECTED_VIOLATIONS = 8;

/** Rows of an event: 1 for each row in which it happened. */
export type Marks = Uint8Array;

/** An event to predict, and the rows in which it can happen. */
export interface Outcome {
  readonly marks: Marks;
  /** Undefined for all rows. */
  readonly given: Marks | undefined;
}

/** Returns 1 for each row in which a column has a value other than 0, no or an empty list. */
export function markEvents(inspected: InspectedColumn): Marks {
  const { column, kind } = inspected;
  const isEvent = column.values.map((each) => {
    const text = each.trim();
    if (text === '[]' || isBlank(inspected, text)) return 0;
    if (kind.is === 'truth') return Number(text === kind.yes);
    return Number(Number(text.replace(',', '.')) !== 0);
  });
  return Uint8Array.from(column.codes, (code) => isEvent[code]!);
}

/** Returns the number of rows of an event. */
export function countEvents(marks: Marks): number {
  let count = 0;
  for (const each of marks) count += each;
  return count;
}

/** Returns the share of an event's rows in which the other event did not happen. */
export function computeViolations(event: Marks, other: Marks): number {
  let without = 0;
  for (let r = 0; r < event.length; r++) if (event[r] === 1 && other[r] === 0) without++;
  return without / Math.max(1, countEvents(event));
}

/** Returns whether an event happens only if the other one does, more clearly than by chance. */
export function requires(event: Marks, other: Marks): boolean {
  const isByChance = countEvents(event) * (1 - countEvents(other) / other.length) < MIN_EXPECTED_VIOLATIONS;
  return !isByChance && computeViolations(event, other) <= MAX_VIOLATIONS;
}
