import { domainName } from './domain.js';
import type { Value } from './operations.js';

// Checks of a graph while it is built. A failure is a bug in the component that builds it, and throws a plain Error.

/** Requires rows of the batch. */
export function checkBatch(op: string, { rows }: Value): void {
  check(rows.kind === 'batch', `${op}: rows of ${domainName(rows)}, expected batch`);
}

/** Requires items of a sequence, or blocks. */
export function checkItems(op: string, { rows }: Value): void {
  check(rows.kind !== 'batch', `${op}: rows of the batch, expected items of a sequence`);
}

/** Requires a width. */
export function checkWidths(name: string, found: number, expected: number): void {
  check(found === expected, `${name}: width is ${found}, expected ${expected}`);
}

/** Requires a condition. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`graph: ${message}`);
}
