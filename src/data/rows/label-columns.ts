import type { Cast } from '../../chunks/casts.js';
import { conditionColumns, numberColumns, type Condition } from '../../core/conditions.js';
import {
  givenColumn,
  normalizeGiven,
  labelColumn,
  tasksGiven,
  teacherColumn,
  teacherColumns,
  weightColumn,
  type Task,
} from '../../core/tasks.js';
import { countParts, FIRST_COLUMN, formatMethodColumn, timeColumns, timeParts } from '../../delay/columns.js';
import { listDelayed } from '../../delay/delays.js';
import { createCleaner, takesNumbers, type CellOptions } from '../../features/cells.js';
import { cleanCells } from '../../features/clean-field.js';
import { CELL_SEPARATOR } from '../../features/feature.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { oneValueReader } from '../../features/kinds/one-value.js';
import { parseClass, parseNumber } from '../../features/parse.js';
import { column } from '../../core/batch.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { compileCondition } from './compile-condition.js';

/** A label column of a batch, and how its values are read. */
export interface LabelColumn {
  readonly name: string;
  /** Type of the label; a class is 0 or 1. */
  readonly type: 'class' | 'number';
  /** Data columns that it is computed from. */
  readonly columns: readonly string[];
  /** Data columns that are numbers, or are compared with numbers. */
  readonly numberColumns: readonly string[];
  /** Whether a condition computes the label. */
  readonly isCondition?: true;
  /** Whether mtl computes the values, numbers or missing: they are not cleaned, and read if all others are valid. */
  readonly isComputed?: boolean;
  /** Whether a missing value may be valid; it is read as NaN, which the label rule replaces. */
  readonly mayBeBlank: boolean;
  /** Whether values must be read as texts, since a number may be a null value. */
  readonly isText?: boolean;
  /** Value of all rows, whatever its columns contain. */
  readonly constant?: number;
  /**
   * Returns what `parse` returns for the text of a number.
   * @throws InvalidValueError
   */
  ofNumber?(value: number): number;
  /**
   * Parses a text; texts of several columns are joined with CELL_SEPARATOR.
   * @throws InvalidValueError
   */
  parse(text: string): number;
}

/** Creates the reader of a label column. */
function labelReader(label: LabelColumn): ReadColumns {
  const { name, columns, numberColumns, isCondition, constant, parse } = label;
  if (constant !== undefined)
    return ({ count }, block) => void column(block, name, 'f32').data.fill(constant, block.rows, block.rows + count);
  return oneValueReader(
    columns,
    { numberColumns, isCondition, encode: parse, direct: castOf(label) },
    (block) => column(block, name, 'f32').data,
  );
}

function castOf(label: LabelColumn): Cast | undefined {
  const { type, isText, ofNumber } = label;
  if (isPlainLabel(label)) return { cell: type === 'class' ? 'class' : 'number' };
  return ofNumber === undefined || isText === true ? undefined : { cell: 'number', encode: ofNumber };
}

/** Returns the readers of labels: of those that all rows have, and of those that are read if all others are valid. */
export function labelReaders(labels: readonly LabelColumn[]): Record<'readers' | 'late', readonly ReadColumns[]> {
  const readersOf = (isLate: boolean): readonly ReadColumns[] =>
    labels.filter(({ isComputed = false }) => isComputed === isLate).map(labelReader);
  return { readers: readersOf(false), late: readersOf(true) };
}

/** Returns whether a label is the number of its own column, rather than a condition. */
function isPlainLabel({ name, columns, isText }: LabelColumn): boolean {
  return columns.length === 1 && columns[0] === name && isText !== true;
}

/** Returns whether every value is a number in digits, or missing. */
export function isNumberLabel(label: LabelColumn): boolean {
  return isPlainLabel(label) || label.isComputed === true;
}

/** Returns the fix for a missing label. */
export function missingLabelFix(isClass: boolean): string {
  return (
    'correct the row, or set onMissing for the task: mask (excluded from its ' +
    `loss)${isClass ? ', drop (row excluded) or negative (0)' : ' or drop (row excluded)'}`
  );
}

/**
 * Lists the label columns of tasks. A label is 0 or 1 if a classification or a `given` reads it, else any number.
 * @param cells cleaning of all columns
 */
export function listLabelColumns(tasks: readonly Task[], cells: CellOptions = {}): readonly LabelColumn[] {
  const columns = new Map<string, LabelColumn>();
  const classes = new Set(
    tasks.flatMap((task) => [task.type === 'classification' && labelColumn(task), givenColumn(task, tasks)]),
  );
  const add = (column: LabelColumn): void => {
    if (!columns.has(column.name)) columns.set(column.name, column);
  };
  for (const task of tasks) {
    const name = labelColumn(task);
    // The label of a task with `given` may be missing if that is 0.
    const mayBeBlank = tasks
      .filter((other) => labelColumn(other) === name)
      .every(({ given, onMissing }) => given !== undefined || onMissing !== 'error');
    add(
      typeof task.label === 'string'
        ? plainLabel(name, classes.has(name), mayBeBlank)
        : conditionLabel(name, task.label, mayBeBlank),
    );
    const given = normalizeGiven(task);
    if (given !== undefined && tasksGiven(task, tasks).length === 0) add(plainLabel(given.named, true, false));
  }
  delayLabels(tasks).forEach(add);
  for (const { name, sampleWeight, distill } of tasks) {
    if (sampleWeight !== undefined) add(weightLabel(sampleWeight));
    if (distill !== undefined) teacherLabels(teacherColumn(name, distill), distill.from !== undefined).forEach(add);
  }
  return [...columns.values()].map((label) => (label.isComputed === true ? label : cleanLabel(label, cells)));
}

/** Creates a label that is the number of one column, unless other properties are set. */
function labelOf(
  name: string,
  column: string,
  parse: LabelColumn['parse'],
  other: Partial<LabelColumn> = {},
): LabelColumn {
  const columns = [column];
  return { name, type: 'number', columns, numberColumns: columns, mayBeBlank: false, parse, ...other };
}

function plainLabel(name: string, isClass: boolean, mayBeBlank: boolean): LabelColumn {
  const parse = (text: string): number => {
    if (text === '') return readMissing(mayBeBlank, isClass ? '0 or 1' : 'a decimal number', isClass);
    return isClass ? parseClass(text, name) : parseNumber(text);
  };
  return labelOf(name, name, parse, { type: isClass ? 'class' : 'number', mayBeBlank });
}

function conditionLabel(name: string, condition: Condition, mayBeBlank: boolean): LabelColumn {
  const { holds } = compileCondition(condition);
  const columns = conditionColumns(condition);
  const parse = (text: string): number => {
    const cells = columns.length === 1 ? [text] : text.split(CELL_SEPARATOR);
    if (cells.length !== columns.length) throw new InvalidValueError('values without the control character U+001F');
    const found = holds(cells);
    return found === undefined ? readMissing(mayBeBlank, 'a value to compare', true) : Number(found);
  };
  const compared = numberColumns(condition);
  return { name, type: 'class', columns, numberColumns: compared, isCondition: true, mayBeBlank, parse };
}

/** Returns the column of row weights, factors of the loss. */
function weightLabel(column: string): LabelColumn {
  return labelOf(weightColumn(column), column, (text) => {
    const weight = parseNumber(text);
    if (weight < 0) throw new InvalidValueError('a weight of 0 or more');
    return weight;
  });
}

/** Teacher probabilities are clamped to this distance from 0 and 1, so that their logits are finite. */
const MIN_PROBABILITY = 1e-7;

/** Returns the columns of a teacher: the logit of its probability, and whether there is one. */
function teacherLabels(column: string, isComputed: boolean): readonly LabelColumn[] {
  const logit = (text: string): number => {
    if (text === '') return 0;
    const found = parseNumber(text);
    if (found < 0 || found > 1) throw new InvalidValueError('a probability of the teacher from 0 to 1');
    const p = Math.min(Math.max(found, MIN_PROBABILITY), 1 - MIN_PROBABILITY);
    return Math.log(p / (1 - p));
  };
  const names = teacherColumns(column);
  return [
    labelOf(names.logit, column, logit, { isComputed }),
    labelOf(names.known, column, (text) => Number(text !== ''), { isComputed, type: 'class' }),
  ];
}

/** Returns the columns of delayed labels: times of the click and the conversion, and values of complete rows. */
function delayLabels(tasks: readonly Task[]): readonly LabelColumn[] {
  const delayed = listDelayed(tasks);
  const fixed = (name: string, column: string, value: number): LabelColumn =>
    labelOf(name, column, () => value, { numberColumns: [], mayBeBlank: true, isText: true, constant: value });
  return delayed.flatMap(({ task: { name }, options, columns, settled }, i) => {
    const parts = timeParts(options.format);
    const counts = countParts(options.format);
    const format = options.format === 'iso' ? { numberColumns: [] } : {};
    const times = (['from', 'event'] as const).flatMap((time) =>
      (['day', 'second'] as const).map((part) =>
        labelOf(timeColumns(name, time)[part], options[time], parts[part], {
          mayBeBlank: true,
          ...format,
          ...(counts && { ofNumber: counts[part] }),
        }),
      ),
    );
    return [
      ...times,
      ...columns.map((column, c) => fixed(formatMethodColumn(name, column), options.from, settled[c]!)),
      ...(i === 0 && delayed.length < tasks.length ? [fixed(FIRST_COLUMN, options.from, 1)] : []),
    ];
  });
}

function readMissing(mayBeBlank: boolean, expected: string, isClass: boolean): number {
  if (mayBeBlank) return NaN;
  throw new InvalidValueError(expected, missingLabelFix(isClass));
}

/** Adds cleaning to a label. */
function cleanLabel(label: LabelColumn, cells: CellOptions): LabelColumn {
  const clean = createCleaner(cells);
  if (clean === undefined) return label;
  const parse = (text: string): number => label.parse(cleanCells(text, clean));
  return { ...label, parse, isText: !takesNumbers(cells, 'number') };
}
