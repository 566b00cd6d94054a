import { MAX_NUMBER_VALUES, type EncodedColumns } from '../crosses/encoded-columns.js';
import { searchCrosses } from '../crosses/search.js';
import type { InspectedColumn } from './column-kind.js';
import { binNumbers } from './number-bins.js';
import type { Marks, Outcome } from './outcomes.js';

/** Names of two columns. */
export type ColumnPair = readonly [string, string];

/** Maximum number of crosses per outcome. */
const TOP = 3;
/** Minimum reduction of the log loss, as a share of it: a table per pair is not worth less. */
const MIN_GAIN = 0.002;
/** Maximum number of column pairs times rows, about four seconds. */
const MAX_WORK = 5e7;
/** Minimum number of rows with a label, and of events: fewer say little about pairs. */
const [MIN_ROWS, MIN_EVENTS] = [5000, 200];

/** Finds pairs of columns whose combination predicts an outcome better than the columns alone. */
export async function findCrosses(
  features: readonly InspectedColumn[],
  outcomes: readonly Outcome[],
): Promise<readonly ColumnPair[]> {
  const codings = features.map(codeColumn).filter((coding) => coding !== undefined);
  const found = new Map<string, ColumnPair>();
  for (const { marks, given } of outcomes) {
    const rows = sampleRows(marks.length, given, (codings.length * (codings.length - 1)) / 2);
    const labels = Float64Array.from(rows, (row) => marks[row]!);
    const events = labels.reduce((sum, label) => sum + label, 0);
    if (rows.length < MIN_ROWS || Math.min(events, rows.length - events) < MIN_EVENTS) continue;
    const fields = codings.map(({ code, ...coding }) => ({ ...coding, codes: Uint32Array.from(rows, code) }));
    const { crosses, loss } = await searchCrosses(labels, 'class', fields, {
      top: TOP,
      isCrossed: () => false,
      onShare: () => undefined,
      signal: new AbortController().signal,
    });
    for (const { columns, logLossGain } of crosses)
      if (logLossGain >= MIN_GAIN * loss) found.set(JSON.stringify(columns), columns);
  }
  return [...found.values()];
}

/** Returns the rows with a label, evenly thinned to bound the work. */
function sampleRows(count: number, given: Marks | undefined, pairs: number): Uint32Array {
  const labeled = Uint32Array.from({ length: count }, (_, row) => row).filter((row) => given?.[row] !== 0);
  const step = Math.ceil((labeled.length * Math.max(1, pairs)) / MAX_WORK);
  return labeled.filter((_, i) => i % step === 0);
}

/** The codes of a column, row by row. */
interface Coding extends Omit<EncodedColumns, 'codes'> {
  code(row: number): number;
}

/** Codes a column with one value per row: ids and few distinct numbers by value, other numbers by bin. */
function codeColumn(inspected: InspectedColumn): Coding | undefined {
  const { column, kind, different } = inspected;
  const { name, codes, values } = column;
  if (
    kind.is === 'id' ||
    kind.is === 'truth' ||
    kind.is === 'day' ||
    (kind.is === 'number' && different <= MAX_NUMBER_VALUES)
  )
    return { name, column: name, size: values.length, code: (row) => codes[row]! };
  if (kind.is !== 'number') return undefined;
  const { bins, size } = binNumbers(inspected);
  // Missing values have a code of their own.
  return { name, size: size + 1, code: (row) => bins[codes[row]!]! };
}
