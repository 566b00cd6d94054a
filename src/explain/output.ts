import { extname } from 'node:path';
import { quoted, userError } from '../core/errors.js';
import { writeFileAtomic } from '../io/disk.js';
import type { Explanation } from '../trained-model/explainer.js';
import { attentionChart } from './chart.js';
import type { ItemOrder } from './order.js';

type Format = (explanation: Explanation, order: ItemOrder, title: string) => string;

/** Formats by file extension. */
const FORMATS: Readonly<Record<string, Format>> = {
  '.svg': attentionChart,
  '.json': (explanation) => `${JSON.stringify(explanation, null, 1)}\n`,
};

/**
 * Selects the output format by file extension, before anything is read.
 * @returns a function that writes the file atomically
 * @throws UserError (usage) if the extension is unknown
 */
export function openExplanation(
  path: string,
): (explanation: Explanation, order: ItemOrder, title: string) => Promise<void> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined)
    throw userError('usage', {
      where: '--out',
      message: `expected a file name that ends in .svg or .json, found ${quoted(path)}`,
      fix: 'use --out attention.svg',
    });
  return async (explanation, order, title) => writeFileAtomic(path, format(explanation, order, title));
}
