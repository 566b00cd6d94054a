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

/** The label columns of the tasks: 0 or 1, or a number if only regressions read it. */
export function labelsOf(tasks: readonly Task[]): readonly LabelColumn[] {
  const classes = new Set(tasks.flatMap(({ type, label, given }) => [...(type === 'classification' ? [label] : []), ...(given === undefined ? [] : [given])]));
  return labelColumns(tasks).map((name) => ({ name, parse: classes.has(name) ? parseClass : parseNumber }));
}

/** What the tasks' `given` says about the labels of a row. */
export function funnelsOf(tasks: readonly Task[]): readonly Funnel[] {
  return tasks.flatMap(({ type, label, given }) => (type === 'classification' && given !== undefined ? [{ label, given }] : []));
}
