import { z } from 'zod';
import { isDecimal } from '../text/decimal.js';

const word = z
  .union([z.string(), z.number(), z.boolean(), z.null()])
  .superRefine((given, context) => {
    if (typeof given === 'boolean' || given === null)
      context.addIssue({
        code: 'custom',
        message: `${given} is not a string in YAML; quote it, as '${given}'`,
      });
  })
  .transform((given) => (typeof given === 'number' ? given : String(given)));

/** Options for cleaning values, for all columns or for one field. */
export const cellShape = {
  nullValues: z
    .array(word)
    .optional()
    .describe("Extra values treated as missing, as in ['?', NA, -1]; strings match exactly, numbers numerically"),
  trim: z.boolean().optional().describe('Whether to strip whitespace at both ends of a value'),
};

/** Cleaning options, as plain data. */
export type CellOptions = z.output<z.ZodObject<typeof cellShape>>;

/** Cleans a value; returns an empty string if it is missing. */
export type Clean = (text: string) => string;

/** Merges the options of all columns with the options of a field; null values are combined. */
export function joinCells(all: CellOptions, own: CellOptions): CellOptions {
  const blank = [...(all.nullValues ?? []), ...(own.nullValues ?? [])];
  const trim = own.trim ?? all.trim;
  return { ...(blank.length > 0 && { nullValues: blank }), ...(trim !== undefined && { trim }) };
}

/** Creates the cleaning function; undefined if nothing needs cleaning. */
export function createCleaner({ nullValues: blank = [], trim = false }: CellOptions): Clean | undefined {
  const texts = new Set(blank.filter((each) => typeof each === 'string' && each !== ''));
  const numbers = new Set(blank.filter((each) => typeof each === 'number'));
  if (texts.size + numbers.size === 0 && !trim) return undefined;
  return (text) => {
    const cell = trim ? text.trim() : text;
    return texts.has(cell) || (numbers.size > 0 && isDecimal(cell) && numbers.has(Number(cell))) ? '' : cell;
  };
}

/** Returns whether no number can be a null value, so that numbers require no cleaning. */
export function takesNumbers({ nullValues: blank = [] }: CellOptions, cell: 'id' | 'number'): boolean {
  return !blank.some((each) => (cell === 'id' ? /^\d+$/.test(String(each)) : isDecimal(String(each))));
}
