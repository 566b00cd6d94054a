import { z } from 'zod';

/** The keys of the `data` section that say how the bytes of a text file become cells. */
export const dialectShape = {
  delimiter: z
    .string()
    .regex(/^[^\p{L}\p{N}"\\\r\n\0.+-]{1,4}$/u, 'one to four characters between two cells, none of them a letter, a digit, a quote, a dot, a sign, a backslash or an end of a line (a tab is "\\t" in double quotes)')
    .optional()
    .describe('what stands between two cells of a CSV; found in its first rows where it is not given'),
};
const dialectOptions = z.object(dialectShape);

/** What a config says about its text files. Parquet and shards have no use for it. */
export type DialectOptions = z.output<typeof dialectOptions>;

/** How the bytes of one CSV become cells: plain data. */
export interface Dialect extends DialectOptions {
  readonly delimiter: string;
}

/** How a CSV is read of which nothing is said. */
export const PLAIN_CSV: Dialect = { delimiter: ',' };

/** What a section says about text files, without its other keys. */
export function dialectOf(data: DialectOptions): DialectOptions {
  return dialectOptions.parse(data);
}
