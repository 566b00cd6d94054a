import { z } from 'zod';

const PERCENT = /^(\d+(?:\.\d+)?)\s*%$/;
const message = 'expected a share above 0 and up to 1, as in 5% or 0.05';

/** A share of rows in the YAML: `5%`, or a number up to 1. */
export const shareOption = z
  .union(
    [
      z
        .string()
        .regex(PERCENT, message)
        .transform((text) => Number(PERCENT.exec(text)![1]) / 100),
      z.number(),
    ],
    message,
  )
  .refine((share) => share > 0 && share <= 1, message);

/** A share as the names of numbers have it. */
export function shareName(share: number): string {
  return `${Number((100 * share).toFixed(6))}%`;
}

/** Rows that a share of all has: no fewer, and at least one. */
export function rowsOfShare(share: number, rows: number): number {
  // A product like 0.07 · 100 is a little more than the 7 that it means.
  return Math.max(1, Math.ceil(share * rows - 1e-9 * rows));
}
