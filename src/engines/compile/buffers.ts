import type { Domain } from '../../graph/domain.js';

/** Bytes of an element: a float, or an unsigned integer. */
export const WORD = 4;

/**
 * What a buffer holds: a `column` of a batch, the `settings` that the host writes before each step, a `value` of the
 * graph or its `gradient`, dense `weights` and their `weight gradients`, `running` statistics, the `optimizer` state
 * and `average` of dense weights, the rows of a `table`, the distinct rows that a step touches (`index`) and their
 * `row gradients`, a `result` that the host reads, a `constant`, and the rest (`scratch`).
 */
export type Role =
  | 'column'
  | 'settings'
  | 'value'
  | 'gradient'
  | 'weights'
  | 'weight gradients'
  | 'running'
  | 'optimizer'
  | 'average'
  | 'table'
  | 'index'
  | 'row gradients'
  | 'result'
  | 'constant'
  | 'scratch';

/** Elements that a program reads and writes by name; a backend decides where they are stored. */
export interface Buffer {
  readonly name: string;
  readonly role: Role;
  /** Rows of a domain, or a fixed number of rows. */
  readonly rows: Domain | number;
  /** Number of words per row. */
  readonly width: number;
  /** Initial value of every float. */
  readonly fill: number;
}

/** A position in a buffer. */
export interface Ref {
  readonly buffer: Buffer;
  /** Offset in words of 32 bits. */
  readonly offset: number;
}

/**
 * A matrix in a buffer: `width` columns, and `ld` floats from row to row. Kernels process columns in fours (`columns`);
 * the padding is zero.
 */
export interface View extends Ref {
  readonly ld: number;
  readonly width: number;
  readonly columns: number;
}

/** The buffers of a program. */
export interface Buffers {
  /** Returns the buffer called `name`, which the first call creates. */
  take(name: string, role: Role, rows: Domain | number, width?: number, fill?: number): Ref;
  /** Rejects new buffers from now on, because memory has been assigned. */
  seal(): void;
  readonly all: readonly Buffer[];
}

/** Creates an empty set of buffers. */
export function createBuffers(): Buffers {
  const byName = new Map<string, Ref>();
  const all: Buffer[] = [];
  let isSealed = false;
  return {
    all,
    take(name, role, rows, width = 1, fill = 0) {
      const known = byName.get(name);
      if (known !== undefined) return known;
      if (isSealed) throw new Error(`buffer '${name}' is created too late`);
      const buffer = { name, role, rows, width, fill };
      const ref = { buffer, offset: 0 };
      all.push(buffer);
      byName.set(name, ref);
      return ref;
    },
    seal: () => void (isSealed = true),
  };
}

/** Returns a position `words` further. */
export function shift({ buffer, offset }: Ref, words: number): Ref {
  return { buffer, offset: offset + words };
}

/** Returns a matrix of `width` columns, with `ld` floats from row to row, that starts at a position. */
export function createView({ buffer, offset }: Ref, ld: number, width: number): View {
  return { buffer, offset, ld, width, columns: roundUpTo4(width) };
}

/** Returns some columns of a matrix. */
export function cutColumns(view: View, begin: number, width = view.width - begin): View {
  return createView(shift(view, begin), view.ld, width);
}

/** Returns the words of a buffer if each domain has at most `maxRows` rows. */
export function countWords({ rows, width }: Buffer, maxRows: (domain: Domain) => number): number {
  return (typeof rows === 'number' ? rows : maxRows(rows)) * width;
}

/** Rounds up to a multiple of 4. */
export const roundUpTo4 = (count: number): number => Math.ceil(count / 4) * 4;
/** Rounds up to a multiple of 8. */
export const roundUpTo8 = (count: number): number => Math.ceil(count / 8) * 8;
