import { describeOperation } from './descriptors.js';
import { domainName, isOfItems, isSameDomain, type Domain } from './domain.js';
import { listOperands } from './graph.js';
import type { OperationName, Operations, Value } from './operations.js';

// Checks of a graph while it is built. A failure is a bug in the component that builds it, and throws a plain Error.

/** Returns the domain that all operands share. */
export function commonDomain<Name extends OperationName>(op: Name, attributes: Operations[Name]): Domain {
  const [first, ...others] = listOperands(attributes);
  check(first !== undefined, `${op} has no operands`);
  for (const other of others)
    check(
      isSameDomain(first.rows, other.rows),
      `${op}: rows of ${domainName(first.rows)} and ${domainName(other.rows)}`,
    );
  if (describeOperation(op).rows === 'batch') checkBatch(op, first);
  return first.rows;
}

/** Requires rows of the batch. */
export function checkBatch(op: string, { rows }: Value): void {
  check(rows.kind === 'batch', `${op}: rows of ${domainName(rows)}, expected batch`);
}

/** Requires items of a sequence, and a row of the batch of the same width for each row. */
export function checkQuery(op: string, x: Value, query: Value): void {
  check(isOfItems(x.rows), `${op}: rows of ${domainName(x.rows)}, expected items of a sequence`);
  checkBatch(op, query);
  checkWidths(`${op} query`, query.width, x.width);
}

/** Requires all items of a sequence; returns the field. */
export function fieldOfItems(op: string, { rows }: Value): string {
  check(rows.kind === 'items', `${op}: rows of ${domainName(rows)}, expected items of a sequence`);
  return rows.field;
}

/** Requires positions of selected items among the items of the same sequence. */
export function checkPositions(op: string, { rows: from }: Value, { rows: to, width }: Value): void {
  checkWidths(`${op} positions`, width, 1);
  const isSelected = from.kind === 'items' && to.kind === 'selected' && from.field === to.field;
  check(isSelected, `${op}: positions of ${domainName(to)} in ${domainName(from)}`);
}

/** Requires items of a sequence, or blocks. */
export function checkItems(op: string, { rows }: Value): void {
  check(rows.kind !== 'batch', `${op}: rows of the batch, expected items of a sequence`);
}

/** Throws an error that names the operation if a width differs from the expected one. */
export function checkWidths(name: string, found: number, expected: number): void {
  check(found === expected, `${name}: width is ${found}, expected ${expected}`);
}

/** Throws an error with the message if the condition is false. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`graph: ${message}`);
}
