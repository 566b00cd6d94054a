import type { Parameter } from './space.js';

/** Maximum length of a value in a table. */
const LONGEST = 24;

/** Formats a mean, with the standard deviation of the runs. */
export function scoreText(value: number, deviation: number | null): string {
  return `${value.toFixed(4)}${deviation === null ? '' : ` ± ${deviation.toFixed(4)}`}`;
}

/** Formats a value for a table. */
function valueText(value: unknown): string {
  const text =
    typeof value === 'number'
      ? String(Number(value.toPrecision(4)))
      : typeof value === 'string'
        ? value
        : JSON.stringify(value);
  return cut(text);
}

/** Formats a parameter's value for tables and charts; each choice of a list gets a distinct text. */
export function valueLabel({ domain: { axis, valueAt, coordinateOf } }: Parameter, value: unknown): string {
  const choice = axis.kind === 'list' ? coordinateOf(value) : undefined;
  if (axis.kind !== 'list' || choice === undefined) return valueText(value);
  return distinctTexts(Array.from({ length: axis.count }, (_, i) => valueAt(i)))[choice]!;
}

/**
 * Returns distinct texts for distinct values: short ones if they differ, else the differing parts, else numbered ones.
 */
function distinctTexts(values: readonly unknown[]): readonly string[] {
  const short = values.map(valueText);
  if (new Set(short).size === short.length) return short;
  const leaves = values.map((value) => leavesOf(value));
  const paths = [...new Set(leaves.flatMap((each) => [...each.keys()]))].filter(
    (path) => new Set(leaves.map((each) => each.get(path))).size > 1,
  );
  const names = shortNames(paths);
  const telling = leaves.map((each) =>
    cut(paths.map((path, i) => `${path === '' ? '' : `${names[i]!}=`}${each.get(path) ?? '-'}`).join(' ')),
  );
  if (new Set(telling).size === telling.length) return telling;
  return telling.map((text, i) =>
    telling.filter((other) => other === text).length === 1
      ? text
      : `${cut(text, LONGEST - ` #${i + 1}`.length)} #${i + 1}`,
  );
}

/** Flattens a value to JSON texts by path; a scalar or list has the path ''. */
function leavesOf(value: unknown, path = ''): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map([[path, typeof value === 'string' && path !== '' ? value : JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, below]) => [...leavesOf(below, path === '' ? key : `${path}.${key}`)]),
  );
}

function cut(text: string, longest = LONGEST): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

/** Shortens each path to its last steps that distinguish it from the others. */
export function shortNames(paths: readonly string[]): readonly string[] {
  return paths.map((path) => {
    const steps = path.split('.');
    for (let from = steps.length - 1; ; from--) {
      const end = steps.slice(from).join('.');
      if (from === 0 || paths.every((other) => other === path || !`.${other}`.endsWith(`.${end}`))) return end;
    }
  });
}
