import { z } from 'zod';

/** A list of columns; names like 101 may stand without quotes. */
export const fieldNames = z
  .array(z.union([z.string().min(1), z.int().min(0)]).transform(String))
  .min(1)
  .describe('columns of the CSV');
