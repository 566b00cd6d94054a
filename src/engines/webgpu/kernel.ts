import type { SIGNATURES } from '../compile/kernel-signatures.js';
import type { KernelName } from '../compile/call-list.js';

type Signatures = typeof SIGNATURES;

/** The names of a kernel's arguments. */
export type ArgumentOf<Name extends KernelName> = Signatures[Name][number];

/**
 * A kernel that looks at a row of the batch alone: such calls follow each other in one dispatch, where a workgroup has
 * some rows
 * in all of them. In the body `$name` is an argument, `row` and `col` are what it is for.
 */
export interface RowKernel {
  readonly form: 'rows';
  /** The argument with the number of columns that the body is for, one by one; `row` where it is for a whole row. */
  readonly over: string;
  /** Arguments that are written to; what is accumulated is read too. */
  readonly writes: readonly string[];
  /** What all threads do before the first row: they may wait for each other there. */
  readonly before?: string;
  readonly body: string;
}

/** What the size of a dispatch is decided by. */
export interface CallSize {
  /** Of the batch. */
  readonly rows: number;
  /** An argument that is a number. */
  of(name: string): number;
  /** Distinct rows and segments of the index list of the call's table. */
  readonly distinct: number;
  readonly segments: number;
}

/**
 * A kernel with a dispatch of its own, which calls of one phase share, also those of others: `group` is the workgroup's
 * number in its call, `groups` how many there are, `lane` the thread's.
 */
export interface OwnKernel {
  readonly form: 'own';
  /**
   * Threads that a call asks for: no fewer for more distinct rows or segments, and by the same arguments whatever these
   * are. The body may be given
   * more, also where it asks for none, and fewer where it asks for more than a dispatch can have (65,535 workgroups on
   * most devices).
   */
  threads(size: CallSize): number;
  /** Further shares of the same work, of which no index list decides, and which the body knows as `part` of `parts`. */
  parts?(size: CallSize): number;
  /** Arguments that are written to: where that decides an order among the kernels of a phase by rows. */
  readonly writes?: readonly string[];
  /** Whether no two calls of such kernels write the same numbers, even in the same piece of memory. */
  readonly isApart?: true;
  /** Whether it takes so much of a workgroup's memory that others beside it would have to wait. */
  readonly hasTiles?: true;
  /** Whether it computes with numbers in half precision. */
  readonly isHalf?: true;
  /** Declarations of its own. */
  readonly declares?: string;
  readonly body: string;
}

/** What is nothing on the device: the host has done it, or the order of dispatches does. */
export interface HostKernel {
  readonly form: 'host';
}

export type Kernel = RowKernel | OwnKernel | HostKernel;

/** A kernel for each of some. */
export type KernelsFor<Name extends KernelName> = { readonly [Each in Name]: Kernel };
