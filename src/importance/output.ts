import { extname } from 'node:path';
import { csvText } from '../text/csv-text.js';
import { writeFileAtomic } from '../io/disk.js';
import { userError } from '../core/errors.js';
import { importanceChart } from './chart.js';
import type { Importance } from './ranking.js';

/** What is written of an importance. */
export interface Findings {
  /** By measure: its value on the rows as they are. */
  readonly baseline: Readonly<Record<string, number | null>>;
  readonly importances: readonly Importance[];
}

type Format = (findings: Findings, title: string) => string;

/** By the endings of their files. */
const FORMATS: Readonly<Record<string, Format>> = {
  '.svg': ({ baseline: plain, importances }, title) => importanceChart(importances, Object.keys(plain), title),
  '.json': (findings) => `${JSON.stringify(findings, null, 1)}\n`,
  '.csv': ({ importances }) => {
    const rows = importances.flatMap(({ name, drops: falls }) =>
      Object.entries(falls).map(([measure, fall]) => [
        name,
        measure,
        fall?.mean ?? '',
        fall?.low ?? '',
        fall?.high ?? '',
      ]),
    );
    return csvText([['name', 'measure', 'worse_by', 'low', 'high'], ...rows]);
  },
};

/**
 * Finds out how an importance is written, before there is one.
 * @returns a function that writes it, whole or not at all
 * @throws UserError (usage) for a name whose ending says nothing
 */
export function openFindings(path: string, title: string): (findings: Findings) => Promise<void> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined)
    throw userError('usage', {
      where: '--out',
      message: `expected a name that ends in .svg, .json or .csv, found '${path}'`,
      fix: 'write importance.svg',
    });
  return async (findings) => writeFileAtomic(path, format(findings, title));
}
