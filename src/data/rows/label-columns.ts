import { conditionColumns, numberColumns, type Condition } from '../../core/conditions.js';
import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { oneValueReader } from '../../features/kinds/one-value.js';
import { parseClass, parseNumber } from '../../features/parse.js';
import { givenColumn, normalizeGiven, labelColumn, tasksGiven, weightColumn, type Task } from '../../core/tasks.js';
import { compileCondition } from './compile-condition.js';

/** A label column of a batch and how its cells are read. */
export interface LabelColumn {
  readonly name: string;
  /** A class is 0 or 1. */
  readonly type: 'class' | 'number';
  /** The columns of the data that it is read from. */
  readonly columns: readonly string[];
  /** Columns whose values are numbers, or are compared with numbers. */
  readonly numberColumns: readonly string[];
  /** Whether a condition computes the label. */
  readonly isCondition?: true;
  /** Whether a blank may be no fault of the row; it is read as NaN, and settled when the whole row is known. */
  readonly mayBeBlank: boolean;
  /** Whether a cell must be seen as text, since a number may be no label. */
  readonly isText?: true;
  /**
   * @param text of the cell; those of several columns with CELL_SEPARATOR between them
   * @throws BadValue
   */
  parse(text: string): number;
}

/** Creates the reader of a label column. */
export function labelReader(label: LabelColumn): ReadColumns {
  const { name, type, columns, numberColumns, isCondition, parse } = label;
  return oneValueReader(
    columns,
    {
      numberColumns,
      isCondition,
      encode: parse,
      direct: isPlainLabel(label) ? { cell: type === 'class' ? 'class' : 'number' } : undefined,
    },
    ({ labels }) => labels.get(name)!,
  );
}

/** Returns whether a label is the number of its own column. */
export function isPlainLabel(label: LabelColumn): boolean {
  return isOwnColumn(label) && label.isText !== true;
}

/** A label that a condition computes is not a value of its columns. */
function isOwnColumn({ name, columns }: LabelColumn): boolean {
  return columns.length === 1 && columns[0] === name;
}

/** The cure of a blank label; a number has no 0 that stands for it. */
export function blankCure(isClass: boolean): string {
  return (
    'correct the row, or set onMissing for the task: mask (excluded from its ' +
    `loss)${isClass ? ', drop (row excluded) or negative (0)' : ' or drop (row excluded)'}`
  );
}

/**
 * The label columns that a list of tasks reads. A label is 0 or 1, or any number if only regressions read it; what a
 * task is given
 * is 0 or 1 too.
 */
export function labelColumnsOf(tasks: readonly Task[]): readonly LabelColumn[] {
  const columns = new Map<string, LabelColumn>();
  const classes = new Set(
    tasks.flatMap((task) =>
      [...(task.type === 'classification' ? [labelColumn(task)] : []), givenColumn(task, tasks) ?? []].flat(),
    ),
  );
  const add = (column: LabelColumn): void => {
    if (!columns.has(column.name)) columns.set(column.name, column);
  };
  for (const task of tasks) {
    const name = labelColumn(task);
    // A task that is given something has blanks where that is not.
    const mayBeBlank = tasks
      .filter((other) => labelColumn(other) === name)
      .every(({ given, onMissing: missing }) => given !== undefined || missing !== 'error');
    add(
      typeof task.label === 'string'
        ? plainColumn(name, classes.has(name), mayBeBlank)
        : conditionColumn(name, task.label, mayBeBlank),
    );
    const given = normalizeGiven(task);
    if (given !== undefined && tasksGiven(task, tasks).length === 0) add(plainColumn(given.named, true, false));
  }
  for (const { sampleWeight } of tasks)
    if (sampleWeight !== undefined)
      add({
        name: weightColumn(sampleWeight),
        type: 'number',
        columns: [sampleWeight],
        numberColumns: [sampleWeight],
        mayBeBlank: false,
        parse: parseWeight,
      });
  return [...columns.values()];
}

function plainColumn(name: string, isClass: boolean, mayBeBlank: boolean): LabelColumn {
  const parse = (text: string): number => {
    if (text === '') return blank(mayBeBlank, isClass ? '0 or 1' : 'a decimal number', isClass);
    return isClass ? parseClass(text, name) : parseNumber(text);
  };
  const columns = [name];
  return { name, type: isClass ? 'class' : 'number', columns, numberColumns: columns, mayBeBlank, parse };
}

function conditionColumn(name: string, condition: Condition, mayBeBlank: boolean): LabelColumn {
  const { holds } = compileCondition(condition);
  const columns = conditionColumns(condition);
  const parse = (text: string): number => {
    const cells = columns.length === 1 ? [text] : text.split(CELL_SEPARATOR);
    if (cells.length !== columns.length) throw new BadValue('values without the control character U+001F');
    const found = holds(cells);
    return found === undefined ? blank(mayBeBlank, 'a value to compare', true) : Number(found);
  };
  const compared = numberColumns(condition);
  return { name, type: 'class', columns, numberColumns: compared, isCondition: true, mayBeBlank, parse };
}

function blank(mayBeBlank: boolean, expected: string, isClass: boolean): number {
  if (mayBeBlank) return NaN;
  throw new BadValue(expected, blankCure(isClass));
}

/** A factor of a row's loss. */
function parseWeight(text: string): number {
  const weight = parseNumber(text);
  if (weight < 0) throw new BadValue('a weight of 0 or more');
  return weight;
}
