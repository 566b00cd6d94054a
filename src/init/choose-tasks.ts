import { userError } from '../core/errors.js';
import { isBlank, type InspectedColumn } from './column-kind.js';
import { computeViolations, countEvents, markEvents, requires, type Marks } from './outcomes.js';

export interface ProposedTask {
  readonly name: string;
  readonly column: string;
  /** The positive value; undefined if it is 1, or a count. */
  readonly yes: string | undefined;
  /** Whether the column is a count, and any number above 0 is positive. */
  readonly isCount: boolean;
  /** The parent task in the funnel. */
  readonly given: string | undefined;
  /** Share of its positives in which the parent is negative. */
  readonly violations: number;
  /** Policy for missing labels; undefined if none is missing where the parent is positive. */
  readonly onMissing: 'mask' | 'negative' | undefined;
  /** Share of rows with a positive label. */
  readonly rate: number;
}

/** Patterns of label names, in funnel order. */
const NAMES: readonly (readonly [task: string, name: RegExp])[] = [
  ['ctr', /(^|[_\W])(is_?)?(click|clicked|clk|clicks)([_\W]|$)/i],
  [
    '',
    /(^|[_\W])(is_?)?(cart|carted|add_to_cart|fav|favorite|favourite|like|liked|follow|followed|share|shared|forward|comment|comments|hate|collect|view|viewed|long_?view|effective_?view|valid_?click|install|installed|signup|register|play|played|finish|watched)([_\W]|$)/i,
  ],
  [
    'cvr',
    /(^|[_\W])(is_?)?(buy|bought|purchase|purchased|pay|paid|order|ordered|conversion|conv|convert|converted|transaction|deal)([_\W]|$)/i,
  ],
  ['', /(^|[_\W])(label|target|y|outcome)\d*([_\W]|$)/i],
];
/** Names of amounts and durations, which are no counts of an action. */
const AMOUNTS = /amount|amt|price|revenue|value|gmv|money|usd|eur|time|sec|minute|(^|_)ms($|_)|dur|dwell/i;

/** A label column with its positives. */
interface Label {
  readonly label: InspectedColumn;
  readonly marks: Marks;
}

/**
 * Chooses the labels, most frequent first: the requested columns. Otherwise the binary columns with a name typical of
 * user actions, and the binary columns and counts of actions that are missing or 0 unless one of those is positive.
 * @throws UserError (usage) if there is none, or a requested column is neither binary nor a count
 */
export function chooseTasks(
  columns: readonly InspectedColumn[],
  requested: readonly string[],
): readonly ProposedTask[] {
  const chosen = requested.length > 0 ? findRequested(columns, requested) : detectLabels(columns);
  const labels = [...chosen].sort((a, b) => countEvents(b.marks) - countEvents(a.marks));
  const names = new Map(labels.map(({ label }) => [label, proposeName(label.column.name)]));
  // Two labels with the same meaning keep their column names.
  const nameFor = (label: InspectedColumn): string =>
    [...names.values()].filter((name) => name === names.get(label)).length > 1
      ? toTaskName(label.column.name)
      : names.get(label)!;
  return labels.map(({ label, marks }, i): ProposedTask => {
    const own = countEvents(marks);
    const parent = labels
      .slice(0, i)
      .findLast((other) => countEvents(other.marks) > own && own > 0 && requires(marks, other.marks));
    const { column, kind } = label;
    return {
      name: nameFor(label),
      column: column.name,
      yes: kind.is === 'truth' && kind.yes !== '1' ? kind.yes : undefined,
      isCount: kind.is !== 'truth',
      given: parent && nameFor(parent.label),
      violations: parent === undefined ? 0 : computeViolations(marks, parent.marks),
      onMissing: chooseMissing(label, parent?.marks),
      rate: own / marks.length,
    };
  });
}

function findRequested(columns: readonly InspectedColumn[], requested: readonly string[]): readonly Label[] {
  return requested.map((name) => {
    const label = columns.find(({ column }) => column.name === name);
    if (label === undefined)
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'unknown column',
        fix: `use one of ${columns
          .map(({ column }) => column.name)
          .slice(0, 40)
          .join(', ')}`,
      });
    if (label.kind.is === 'constant')
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'has a single value, so there is nothing to learn',
        fix: 'choose a column with positives and negatives, or add data',
      });
    if (label.kind.is !== 'truth' && !isCount(label))
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'neither a binary column nor a count that is often 0',
        fix:
          'use another column, or write the task yourself: label may be a condition, as in { column: rating, ' +
          'atLeast: 4 }, or type: regression',
      });
    return { label, marks: markEvents(label) };
  });
}

function detectLabels(columns: readonly InspectedColumn[]): readonly Label[] {
  const isNamed = ({ column }: InspectedColumn): boolean => NAMES.some(([, name]) => name.test(column.name));
  const candidates = columns.map((label): Label => ({ label, marks: markEvents(label) }));
  const truths = candidates.filter(({ label }) => label.kind.is === 'truth');
  const named = truths.filter(({ label }) => isNamed(label));
  const constant = columns
    .filter((column) => column.kind.is === 'constant' && isNamed(column))
    .map(({ column }) => `${column.name} has a single value`);
  if (named.length === 0)
    throw userError('usage', {
      where: 'mtl init',
      message: ['no column looks like a label', ...constant].join('; '),
      fix:
        truths.length === 0
          ? 'use data with columns of 0 and 1, or of words such as yes and no'
          : `choose a label column, as in ${truths
              .slice(0, 3)
              .map(({ label }) => `--label ${label.column.name}`)
              .join(' ')}`,
    });
  const isEvent = ({ label, marks }: Label): boolean =>
    (label.kind.is === 'truth' || (isCount(label) && isNamed(label) && !AMOUNTS.test(label.column.name))) &&
    named.some((other) => requires(marks, other.marks));
  const all = candidates.filter((each) => named.includes(each) || isEvent(each));
  // Of several columns that record one event, the first is the label.
  return all.filter(({ marks }, i) => !all.slice(0, i).some((other) => isSame(marks, other.marks)));
}

/** Returns whether a column is a count: integers from 0, with 0 in some rows. */
function isCount(inspected: InspectedColumn): boolean {
  const { column, kind } = inspected;
  const present = column.values.filter((text) => !isBlank(inspected, text)).map((text) => text.trim());
  return (
    kind.is === 'number' &&
    present.every((text) => /^\d+(\.0*)?$/.test(text)) &&
    (present.some((text) => Number(text) === 0) || present.length < column.values.length)
  );
}

function isSame(a: Marks, b: Marks): boolean {
  return a.every((each, r) => each === b[r]);
}

/** Chooses a policy for missing labels: a label that is 1 or missing has no other value for negatives. */
function chooseMissing(inspected: InspectedColumn, parent: Marks | undefined): ProposedTask['onMissing'] {
  const { column, kind, different } = inspected;
  const blanks = column.values.map((text) => isBlank(inspected, text));
  if (!column.codes.some((code, r) => blanks[code]! && parent?.[r] !== 0)) return undefined;
  const hasNegatives =
    different > 1 || (kind.is === 'truth' && !column.values.some((text) => text.trim() === kind.yes));
  const hasZero = kind.is !== 'truth' && column.values.some((text) => text.trim() !== '' && Number(text) === 0);
  return hasNegatives && (kind.is === 'truth' || hasZero) ? 'mask' : 'negative';
}

function proposeName(column: string): string {
  const [task] = NAMES.find(([, name]) => name.test(column)) ?? [''];
  return task === '' ? toTaskName(column) : task;
}

/** Converts a column name to a task name. */
function toTaskName(column: string): string {
  const name = column.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 60);
  return /^[A-Za-z]/.test(name) ? name : `task_${name}`;
}
