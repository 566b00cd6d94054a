import type { TablePlace } from '../compile/tables.js';
import type { OwnKernel, RowKernel } from './kernel.js';
import type { Node } from './phase-order.js';

/** A call with all that is known of it before there is a batch. */
export interface Planned extends Node {
  readonly name: string;
  readonly names: readonly string[];
  readonly kernel: RowKernel | OwnKernel;
  readonly values: readonly number[];
  readonly isRows: readonly number[];
  readonly table: TablePlace | undefined;
  /** Pieces of memory that its arguments name, tables among them: what it reads, or writes. */
  readonly touches: ReadonlySet<number>;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly tableBuffer: number;
}
