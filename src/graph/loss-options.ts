import { checkWidths } from './checks.js';
import type { Value } from './operations.js';

/** Rows that count in a loss, and their weights. */
export interface LossOptions {
  readonly mask?: Value | undefined;
  readonly weights?: Value | undefined;
}

/** Checks the columns of a loss, and returns its rows. */
export function countedRows(
  columns: readonly Value[],
  { mask, weights }: LossOptions,
): { mask: Value | undefined; weights: Value | undefined } {
  for (const column of [...columns, mask, weights]) if (column !== undefined) checkWidths('loss', column.width, 1);
  return { mask, weights };
}
