import type { Field } from '../features/feature.js';
import { parseClass, parseNumber } from '../features/parse.js';
import { labelColumns, type Task } from '../tasks.js';

/** A label column and how its cells are read. */
export interface LabelColumn {
  readonly name: string;
  /** @throws BadValue */
  parse(text: string): number;
}

/** A label that may be 1 only where another is: a purchase needs a click. */
export interface Funnel {
  readonly label: string;
  readonly given: string;
}

/** What is read from a row, and what must hold in it. */
export interface RowFormat {
  readonly fields: readonly Field[];
  readonly labels: readonly LabelColumn[];
  readonly funnels: readonly Funnel[];
}

/** The format that tasks and features ask for. A label is 0 or 1, or any number if only regressions read it. */
export function rowFormatOf(tasks: readonly Task[], fields: readonly Field[]): RowFormat {
  const classLabels = tasks.filter(({ type }) => type === 'classification').map(({ label }) => label);
  const conditions = tasks.flatMap(({ given }) => given ?? []);
  const classes = new Set([...classLabels, ...conditions]);
  return {
    fields,
    labels: labelColumns(tasks).map((name) => ({ name, parse: classes.has(name) ? parseClass : parseNumber })),
    funnels: tasks.flatMap(({ type, label, given }) => (type === 'classification' && given !== undefined ? [{ label, given }] : [])),
  };
}

/** The columns that a format reads. */
export function columnsOf({ fields, labels }: RowFormat): readonly string[] {
  return [...new Set([...labels.map(({ name }) => name), ...fields.flatMap(({ columns }) => columns)])];
}
