import { z } from 'zod';
import { textsFrom } from './string-pool.js';
import { createTextTable, isTextTable, type TextTable } from './text-table.js';

/** Strings as a checkpoint has them: a list, or a table of many. */
export const textsSchema = z.union([z.array(z.string()), z.custom<TextTable>(isTextTable)]);
export type StoredTexts = z.output<typeof textsSchema>;

/** Converts stored strings to a table. */
export function toTextTable(texts: StoredTexts): TextTable {
  return Array.isArray(texts) ? createTextTable(textsFrom(texts)) : texts;
}

/** Returns the number of stored strings. */
export function countTexts(texts: StoredTexts): number {
  return Array.isArray(texts) ? texts.length : texts.offsets.length - 1;
}
