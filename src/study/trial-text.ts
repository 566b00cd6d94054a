import { count, duration } from '../text/number-text.js';
import type { ListedTrial } from './leaderboard.js';
import type { Parameter } from './space.js';
import type { Study } from './study.js';

/** Maximum length of a value in a table. */
const MAX_LENGTH = 24;

/** Formats a mean, with the standard deviation of the runs. */
export function scoreText(value: number, deviation: number | null): string {
  return `${value.toFixed(4)}${deviation === null ? '' : ` ± ${deviation.toFixed(4)}`}`;
}

/** Counts the trials of a study: those with a result, of the maximum if there is one, and those in each other state. */
export function countTrials(
  { numTrials }: Study,
  board: readonly ListedTrial[],
): { readonly completed: string; readonly others: readonly (readonly [state: string, trials: string])[] } {
  const countState = (name: ListedTrial['state']): number => board.filter(({ state }) => state === name).length;
  const completed = count(board.length - countState('running') - countState('waiting'));
  return {
    completed: Number.isFinite(numTrials) ? `${completed} of ${count(numTrials)}` : completed,
    others: (['running', 'waiting', 'stopped', 'failed'] as const)
      .filter((state) => countState(state) > 0)
      .map((state) => [state, count(countState(state))]),
  };
}

/** Formats the progress of a study. */
export function stateLine(study: Study, board: readonly ListedTrial[]): string {
  const { completed, others } = countTrials(study, board);
  const [best] = board;
  const found = best?.value == null ? '' : `; best ${best.value.toFixed(4)} of trial ${best.number}`;
  return `${completed} trials finished${others.map(([state, trials]) => `, ${trials} ${state}`).join('')}${found}`;
}

/** Formats trials as the cells of a table, header first, with a column per parameter. */
export function listTrialCells(
  { options, space }: Study,
  board: readonly ListedTrial[],
): readonly [header: readonly string[], ...rows: (readonly string[])[]] {
  return [
    ['', 'state', options.metric, 'time', ...shortNames(space.map(({ name }) => name))],
    ...board.map(({ number, state, value, deviation, elapsedMs, point }) => [
      `trial ${number}`,
      state,
      value === null ? '-' : scoreText(value, deviation),
      duration(elapsedMs),
      ...space.map((parameter) =>
        Object.hasOwn(point, parameter.name) ? valueCell(parameter, point[parameter.name]) : '-',
      ),
    ]),
  ];
}

/** Formats a value for a table. */
function formatValue(value: unknown): string {
  const text =
    typeof value === 'number'
      ? String(Number(value.toPrecision(4)))
      : typeof value === 'string'
        ? value
        : JSON.stringify(value);
  return truncate(text);
}

/** Formats a parameter's value for tables and charts; each choice of a list gets a distinct text. */
export function valueLabel({ domain: { axis, toValue, toCoordinate } }: Parameter, value: unknown): string {
  const choice = axis.kind === 'list' ? toCoordinate(value) : undefined;
  if (axis.kind !== 'list' || choice === undefined) return formatValue(value);
  return makeDistinct(Array.from({ length: axis.count }, (_, i) => toValue(i)))[choice]!;
}

/** Formats a parameter's value for a table. An object has all of its keys, on lines of about 24 characters. */
export function valueCell(parameter: Parameter, value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return valueLabel(parameter, value);
  const leaves = [...flattenValue(value)];
  const names = shortNames(leaves.map(([path]) => path));
  const lines: string[] = [];
  for (const [i, [, text]] of leaves.entries()) {
    const pair = `${names[i]!}=${text}`;
    const joined = `${lines.at(-1) ?? ''} ${pair}`;
    if (lines.length > 0 && joined.length <= MAX_LENGTH) lines[lines.length - 1] = joined;
    else lines.push(pair);
  }
  return lines.join('\n');
}

/**
 * Returns distinct texts for distinct values: short ones if they differ, else the differing parts, else numbered ones.
 */
function makeDistinct(values: readonly unknown[]): readonly string[] {
  const short = values.map(formatValue);
  if (new Set(short).size === short.length) return short;
  const leaves = values.map((value) => flattenValue(value));
  const paths = [...new Set(leaves.flatMap((each) => [...each.keys()]))].filter(
    (path) => new Set(leaves.map((each) => each.get(path))).size > 1,
  );
  const names = shortNames(paths);
  const distinguishing = leaves.map((each) =>
    truncate(paths.map((path, i) => `${path === '' ? '' : `${names[i]!}=`}${each.get(path) ?? '-'}`).join(' ')),
  );
  if (new Set(distinguishing).size === distinguishing.length) return distinguishing;
  return distinguishing.map((text, i) =>
    distinguishing.filter((other) => other === text).length === 1
      ? text
      : `${truncate(text, MAX_LENGTH - ` #${i + 1}`.length)} #${i + 1}`,
  );
}

/** Flattens a value to JSON texts by path; a scalar or list has the path ''. */
function flattenValue(value: unknown, path = ''): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map([[path, typeof value === 'string' && path !== '' ? value : JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, child]) => [...flattenValue(child, path === '' ? key : `${path}.${key}`)]),
  );
}

function truncate(text: string, maxLength = MAX_LENGTH): string {
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}

/** Shortens each path to its last steps that distinguish it from the others. */
export function shortNames(paths: readonly string[]): readonly string[] {
  return paths.map((path) => {
    const steps = path.split('.');
    for (let start = steps.length - 1; ; start--) {
      const end = steps.slice(start).join('.');
      if (start === 0 || paths.every((other) => other === path || !`.${other}`.endsWith(`.${end}`))) return end;
    }
  });
}
