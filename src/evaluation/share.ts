import { z } from 'zod';

const PERCENT = /^(\d+(?:\.\d+)?)\s*%$/;
const message = 'expected a fraction above 0 and at most 1, such as 5% or 0.05';

/** Schema of a fraction of rows: `5%`, or a number up to 1. */
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

/** Formats a fraction for the names of metrics. */
export function formatShare(share: number): string {
  return `${Number((100 * share).toFixed(6))}%`;
}

/** Returns the number of rows of a fraction, rounded up, at least 1. */
export function countShare(share: number, rows: number): number {
  // A product such as 0.07 · 100 slightly exceeds 7.
  return Math.max(1, Math.ceil(share * rows - 1e-9 * rows));
}
