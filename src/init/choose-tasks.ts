import { userError } from '../core/errors.js';
import type { LookedAt } from './column-kind.js';

/** Something to predict, as it is proposed. */
export interface ProposedTask {
  readonly name: string;
  readonly column: string;
  /** The cell that is a yes; undefined where it is 1. */
  readonly yes: string | undefined;
  /** The task that it is given. */
  readonly given: string | undefined;
  /** Of the rows in which it is yes, the share in which what it is given is not. */
  readonly violations: number;
  readonly hasBlanks: boolean;
  /** Of its rows. */
  readonly rate: number;
}

/** What labels are called, the first step of a funnel first. */
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
/** A label of which more rows than this contradict another is given nothing by it. */
const MAX_VIOLATIONS = 0.02;

/**
 * The labels among columns: those that are asked for, else those that are yes or no and called like something that
 * people do.
 * @throws UserError (usage) where none is found, or what is asked for is none
 */
export function chooseTasks(columns: readonly LookedAt[], asked: readonly string[]): readonly ProposedTask[] {
  const truths = columns.filter(({ kind }) => kind.is === 'truth');
  for (const name of asked) {
    const found = columns.find(({ column }) => column.name === name);
    if (found === undefined)
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'there is no such column',
        fix: `the columns are ${columns
          .map(({ column }) => column.name)
          .slice(0, 40)
          .join(', ')}`,
      });
    if (found.kind.is !== 'truth')
      throw userError('usage', {
        where: `--label ${name}`,
        message: 'is not yes or no in every row',
        fix: 'name another, or write the task by hand: label may be a condition, as in { column: rating, atLeast: 4 }, or type: regression',
      });
  }
  const isNamed = ({ column }: LookedAt): boolean => NAMES.some(([, name]) => name.test(column.name));
  const labels = asked.length > 0 ? truths.filter(({ column }) => asked.includes(column.name)) : truths.filter(isNamed);
  if (labels.length === 0) {
    const fix =
      truths.length === 0
        ? 'expected columns of 0 and 1, or of words like yes and no'
        : `say which column is one, as in ${truths
            .slice(0, 3)
            .map(({ column }) => `--label ${column.name}`)
            .join(' ')}`;
    throw userError('usage', {
      where: 'mtl init',
      message: 'found no column that looks like something to predict',
      fix,
    });
  }
  const positives = labels
    .map((label) => ({ label, isYes: yesRows(label) }))
    .sort((a, b) => count(b.isYes) - count(a.isYes));
  const names = new Map(positives.map(({ label }) => [label, nameOf(label.column.name)]));
  // Two labels of one meaning keep the names of their columns.
  const nameFor = (label: LookedAt): string =>
    [...names.values()].filter((name) => name === names.get(label)).length > 1
      ? plain(label.column.name)
      : names.get(label)!;
  return positives.map(({ label, isYes }, i): ProposedTask => {
    const own = count(isYes);
    const above = positives
      .slice(0, i)
      .filter(({ isYes: other }) => count(other) > own)
      .map((other) => ({ ...other, violations: share(isYes, other.isYes) }));
    const given = above.findLast(({ violations }) => own > 0 && violations <= MAX_VIOLATIONS);
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

/** By row: whether the label is yes. */
export function yesRows({ column, kind }: LookedAt): Uint8Array {
  const yes = kind.is === 'truth' ? column.values.findIndex((value) => value.trim() === kind.yes) : -1;
  return Uint8Array.from(column.codes, (code) => Number(code === yes));
}

function count(isYes: Uint8Array): number {
  return isYes.reduce((sum, each) => sum + each, 0);
}

/** Of the rows of the one, the share that is none of the other. */
function share(isYes: Uint8Array, other: Uint8Array): number {
  let without = 0;
  for (let r = 0; r < isYes.length; r++) if (isYes[r] === 1 && other[r] === 0) without++;
  return without / Math.max(1, count(isYes));
}

function nameOf(column: string): string {
  const [task] = NAMES.find(([, name]) => name.test(column)) ?? [''];
  return task === '' ? plain(column) : task;
}

/** A column's name as that of a task. */
function plain(column: string): string {
  const name = column.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 60);
  return /^[A-Za-z]/.test(name) ? name : `task_${name}`;
}
