import { userError } from '../core/errors.js';
import type { InspectedColumn } from './column-kind.js';

/** A proposed task. */
export interface ProposedTask {
  readonly name: string;
  readonly column: string;
  /** The positive value; undefined if it is 1. */
  readonly yes: string | undefined;
  /** The parent task in the funnel. */
  readonly given: string | undefined;
  /** Share of its positives in which the parent is negative. */
  readonly violations: number;
  readonly hasBlanks: boolean;
  /** Share of positives. */
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
/** Maximum share of contradictions between a label and its parent. */
const MAX_VIOLATIONS = 0.02;

/**
 * Chooses the labels: the requested columns, else the binary columns with a name typical of user actions.
 * @throws UserError (usage) if there is none, or a requested column is not binary
 */
export function chooseTasks(
  columns: readonly InspectedColumn[],
  requested: readonly string[],
): readonly ProposedTask[] {
  const truths = columns.filter(({ kind }) => kind.is === 'truth');
  for (const name of requested) {
    const found = columns.find(({ column }) => column.name === name);
    if (found === undefined)
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'unknown column',
        fix: `use one of ${columns
          .map(({ column }) => column.name)
          .slice(0, 40)
          .join(', ')}`,
      });
    if (found.kind.is !== 'truth')
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'not a binary column',
        fix:
          'use another column, or write the task yourself: label may be a condition, as in { column: rating, ' +
          'atLeast: 4 }, or type: regression',
      });
  }
  const isNamed = ({ column }: InspectedColumn): boolean => NAMES.some(([, name]) => name.test(column.name));
  const labels =
    requested.length > 0 ? truths.filter(({ column }) => requested.includes(column.name)) : truths.filter(isNamed);
  if (labels.length === 0) {
    const fix =
      truths.length === 0
        ? 'use data with columns of 0 and 1, or of words such as yes and no'
        : `choose a label column, as in ${truths
            .slice(0, 3)
            .map(({ column }) => `--label ${column.name}`)
            .join(' ')}`;
    throw userError('usage', {
      where: 'mtl init',
      message: 'no column looks like a label',
      fix,
    });
  }
  const positives = labels
    .map((label) => ({ label, isYes: markPositives(label) }))
    .sort((a, b) => countPositives(b.isYes) - countPositives(a.isYes));
  const names = new Map(positives.map(({ label }) => [label, proposeName(label.column.name)]));
  // Two labels with the same meaning keep their column names.
  const nameFor = (label: InspectedColumn): string =>
    [...names.values()].filter((name) => name === names.get(label)).length > 1
      ? toTaskName(label.column.name)
      : names.get(label)!;
  return positives.map(({ label, isYes }, i): ProposedTask => {
    const own = countPositives(isYes);
    const ancestors = positives
      .slice(0, i)
      .filter(({ isYes: other }) => countPositives(other) > own)
      .map((other) => ({ ...other, violations: computeViolations(isYes, other.isYes) }));
    const given = ancestors.findLast(({ violations }) => own > 0 && violations <= MAX_VIOLATIONS);
    const { yes } = label.kind as { readonly yes: string };
    return {
      name: nameFor(label),
      column: label.column.name,
      yes: yes === '1' ? undefined : yes,
      given: given && nameFor(given.label),
      violations: given?.violations ?? 0,
      hasBlanks: label.blanks > 0,
      rate: own / isYes.length,
    };
  });
}

/** Returns 1 for each row with a positive label. */
export function markPositives({ column, kind }: InspectedColumn): Uint8Array {
  const yes = kind.is === 'truth' ? column.values.findIndex((value) => value.trim() === kind.yes) : -1;
  return Uint8Array.from(column.codes, (code) => Number(code === yes));
}

function countPositives(isYes: Uint8Array): number {
  return isYes.reduce((sum, each) => sum + each, 0);
}

/** Returns the share of positives of one label that are negative in the other. */
function computeViolations(isYes: Uint8Array, other: Uint8Array): number {
  let without = 0;
  for (let r = 0; r < isYes.length; r++) if (isYes[r] === 1 && other[r] === 0) without++;
  return without / Math.max(1, countPositives(isYes));
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
