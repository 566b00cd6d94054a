import { extname } from 'node:path';
import { csvText } from '../text/csv-text.js';
import { writeFileAtomic } from '../io/disk.js';
import { quoted, userError } from '../core/errors.js';
import { importanceChart } from './chart.js';
import type { Importance } from './ranking.js';

/** The contents of an importance file. */
export interface Findings {
  /** Baseline value by measure. */
  readonly unpermuted: Readonly<Record<string, number | null>>;
  readonly importances: readonly Importance[];
}

type Format = (findings: Findings, title: string) => string;

/** Formats by file extension. */
const FORMATS: Readonly<Record<string, Format>> = {
  '.svg': ({ unpermuted, importances }, title) => importanceChart(importances, Object.keys(unpermuted), title),
  '.json': (findings) => `${JSON.stringify(findings, null, 1)}\n`,
  '.csv': ({ importances }) => {
    const rows = importances.flatMap(({ name, drops }) =>
      Object.entries(drops).map(([measure, drop]) => [
        name,
        measure,
        drop?.mean ?? '',
        drop?.low ?? '',
        drop?.high ?? '',
      ]),
    );
    return csvText([['name', 'measure', 'worse_by', 'low', 'high'], ...rows]);
  },
};

/**
 * Selects the output format by file extension, before anything is measured.
 * @returns a function that writes the file atomically
 * @throws UserError (usage) if the extension is unknown
 */
export function openFindings(path: string, title: string): (findings: Findings) => Promise<void> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined)
    throw userError('usage', {
      where: '--out',
      message: `expected a file name that ends in .svg, .json or .csv, found ${quoted(path)}`,
      fix: 'use --out importance.svg',
    });
  return async (findings) => writeFileAtomic(path, format(findings, title));
}
