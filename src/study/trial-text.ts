import type { Parameter } from './space.js';

/** Characters of a value in a table. */
const LONGEST = 24;

/** A mean, with the deviation of the runs from it. */
export function scoreText(value: number, deviation: number | null): string {
  return `${value.toFixed(4)}${deviation === null ? '' : ` ± ${deviation.toFixed(4)}`}`;
}

/** A value, as short as a table needs it. */
function valueText(value: unknown): string {
  const text =
    typeof value === 'number'
      ? String(Number(value.toPrecision(4)))
      : typeof value === 'string'
        ? value
        : JSON.stringify(value);
  return cut(text);
}

/** The text of a parameter's value in tables and charts: of a list, another one for each choice. */
export function valueLabel({ domain: { axis, valueAt, coordinateOf } }: Parameter, value: unknown): string {
  const choice = axis.kind === 'list' ? coordinateOf(value) : undefined;
  if (axis.kind !== 'list' || choice === undefined) return valueText(value);
  return distinctTexts(Array.from({ length: axis.count }, (_, i) => valueAt(i)))[choice]!;
}

/** Texts of different values: as short as a table needs them, else what tells the values apart, else numbered. */
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

/** The values within a value as JSON, by their paths; that of a value that is no section has the path ''. */
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

/** The last steps of each path that tell it from the others. */
export function shortNames(paths: readonly string[]): readonly string[] {
  return paths.map((path) => {
    const steps = path.split('.');
    for (let from = steps.length - 1; ; from--) {
      const end = steps.slice(from).join('.');
      if (from === 0 || paths.every((other) => other === path || !`.${other}`.endsWith(`.${end}`))) return end;
    }
  });
}
