import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A data set that a PyPI package contains. */
interface SetFacts {
  readonly package: string;
  readonly about: string;
  readonly split: string;
  /** Columns of 0 and 1. */
  readonly labels: readonly string[];
  /** Whether columns have thousands of ids. */
  readonly hasManyIds?: true;
  /** Whether defaults were chosen on it before the sets were divided. */
  readonly knownBefore?: true;
}

export interface DataSet extends SetFacts {
  readonly name: string;
  /** Defaults are chosen on the sets for tuning; the others only judge them. */
  readonly purpose: 'tuning' | 'judging';
}

/** All data sets; extract.py and trees.py read the same file. */
export const SETS: readonly DataSet[] = divide(
  JSON.parse(readFileSync(join(import.meta.dirname, 'sets.json'), 'utf8')) as Readonly<Record<string, SetFacts>>,
);

/**
 * Returns the data sets with the given names or purposes, or all if none is given.
 * @throws Error for an unknown name
 */
export function chooseSets(only: readonly string[]): readonly DataSet[] {
  const known = ['tuning', 'judging', ...SETS.map(({ name }) => name)];
  const unknown = only.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no data set '${unknown.join("', '")}'; there are ${known.join(', ')}`);
  return SETS.filter(({ name, purpose }) => only.length === 0 || only.includes(name) || only.includes(purpose));
}

/** The half with the smaller SHA-256 of the name is for tuning, and each set that was known before. */
function divide(facts: Readonly<Record<string, SetFacts>>): readonly DataSet[] {
  const hash = (name: string): string => createHash('sha256').update(name).digest('hex');
  const names = Object.keys(facts).sort((a, b) => (hash(a) < hash(b) ? -1 : 1));
  const tuning = new Set(names.slice(0, names.length / 2));
  return Object.entries(facts).map(([name, each]) => ({
    ...each,
    name,
    purpose: tuning.has(name) || each.knownBefore === true ? 'tuning' : 'judging',
  }));
}
