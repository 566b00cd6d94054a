/** Characters of a value in a table. */
const LONGEST = 24;

/** A mean, with the deviation of the runs from it. */
export function scoreText(value: number, deviation: number | null): string {
  return `${value.toFixed(4)}${deviation === null ? '' : ` ± ${deviation.toFixed(4)}`}`;
}

/** A value of a parameter, as short as a table needs it. */
export function valueText(value: unknown): string {
  const text = typeof value === 'number' ? String(Number(value.toPrecision(4))) : typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
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
