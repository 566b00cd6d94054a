import { z } from 'zod';

const word = z
  .union([z.string(), z.number(), z.boolean(), z.null()])
  .superRefine((given, context) => {
    if (typeof given === 'boolean' || given === null)
      context.addIssue({
        code: 'custom',
        message: `${given} is a value of YAML and no word; write it in quotes, as '${given}'`,
      });
  })
  .transform((given) => (typeof given === 'number' ? given : String(given)));

/** What may be said of cells before anything is made of them, for all columns or for a field. */
export const cellShape = {
  nullValues: z
    .array(word)
    .optional()
    .describe("Extra values treated as missing, as in ['?', NA, -1]; strings match exactly, numbers numerically"),
  trim: z.boolean().optional().describe('Whether to strip whitespace at both ends of a value'),
};

/** What is said of cells. Plain data. */
export type CellOptions = z.output<z.ZodObject<typeof cellShape>>;

/** Makes the text of a cell what it stands for: nothing, where it is a word for that. */
export type Clean = (text: string) => string;

/** What is said of a field, with what is said of all columns: a field's words come to theirs. */
export function joinCells(all: CellOptions, own: CellOptions): CellOptions {
  const blank = [...(all.nullValues ?? []), ...(own.nullValues ?? [])];
  const trim = own.trim ?? all.trim;
  return { ...(blank.length > 0 && { nullValues: blank }), ...(trim !== undefined && { trim }) };
}

/** What makes cells what they stand for; undefined where all stand for themselves. */
export function createCleaner({ nullValues: blank = [], trim = false }: CellOptions): Clean | undefined {
  const texts = new Set(blank.filter((each) => typeof each === 'string' && each !== ''));
  const numbers = new Set(blank.filter((each) => typeof each === 'number'));
  if (texts.size + numbers.size === 0 && !trim) return undefined;
  return (text) => {
    const cell = trim ? text.trim() : text;
    return texts.has(cell) || (numbers.size > 0 && isNumber(cell) && numbers.has(Number(cell))) ? '' : cell;
  };
}

/** Whether no cell that is a number can be a word for nothing, so that numbers need not be looked at. */
export function takesNumbers({ nullValues: blank = [] }: CellOptions, cell: 'id' | 'number'): boolean {
  return !blank.some((each) => (cell === 'id' ? /^\d+$/.test(String(each)) : isNumber(String(each))));
}

const isNumber = (text: string): boolean => /^[-+.\d]/.test(text) && Number.isFinite(Number(text));
