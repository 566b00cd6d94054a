import type { Ref } from '../compile/buffers.js';
import type { Operand, TableRule } from '../compile/call-list.js';
import type { Compiled } from '../compile/compile.js';
import type { KernelName } from '../compile/kernel-arguments.js';
import type { TablePlace } from '../compile/tables.js';
import type { Extra } from './arguments.js';
import type { ListedFields } from './lists/listed-fields.js';

/**
 * A kernel that reads one row of a domain at a time: consecutive calls share a dispatch, in which a workgroup runs all
 * of them on some rows. In the body `$name` is an argument, and `row` and `col` are the element.
 */
export interface RowKernel {
  readonly form: 'rows';
  /** The argument with the number of columns, if the body is for one element; `row` if it is for a whole row. */
  readonly over: string;
  /** Arguments that it writes; accumulated ones are also read. */
  readonly writes: readonly string[];
  /** Code that all threads run before the first row; it may contain barriers. */
  readonly before?: string;
  readonly body: string;
}

/** What decides the size of a dispatch. */
export interface CallSize {
  /** Rows of the call's domain, by default of the batch. */
  readonly rows: number;
  /** Returns a numeric argument; of an address 0 if there is none, else 1. */
  of(name: string): number;
  /** Distinct rows and segments in the index list of the call's table. */
  readonly distinct: number;
  readonly segments: number;
}

/**
 * A kernel with its own dispatch, which other independent calls of a phase share: `group` is the workgroup's number in
 * its call, `groups` their count, `lane` the thread's number.
 */
export interface OwnKernel {
  readonly form: 'own';
  /**
   * Returns the threads that a call asks for: no fewer for more distinct rows or segments, from the same arguments
   * whatever these are. The body may get more, even if it asks for none, and fewer if it asks for more than a dispatch
   * can have (65,535 workgroups on most devices).
   */
  threads(size: CallSize): number;
  /** Returns how many further shares the work has, which no index list decides: the body is `part` of `parts`. */
  parts?(size: CallSize): number;
  /** Arguments that it writes, if they decide an order among the kernels of a phase. */
  readonly writes?: readonly string[];
  /** Whether no two calls of such kernels write the same elements, even in one buffer. */
  readonly isDisjoint?: true;
  /** The argument that is a sum over the batch; a later call of the kernel may add to the same sum. */
  readonly sum?: string;
  /** Whether it takes so much memory of a workgroup that others in the same dispatch would have to wait. */
  readonly hasTiles?: true;
  /** Whether it computes in half precision. */
  readonly isHalf?: true;
  readonly declares?: string;
  readonly body: string;
}

/** A kernel with its name, which reports show, and the names of its arguments. */
export interface Named<Of = RowKernel | OwnKernel, Names extends readonly string[] = readonly string[]> {
  readonly name: string;
  readonly names: Names;
  readonly kernel: Of;
}

/** A call of a kernel on a device. */
export interface DeviceCall {
  readonly of: Named;
  readonly operands: readonly Operand[];
  readonly extra?: Extra;
}

/** Returns a call with operands by name. */
export function createCall<Name extends string>(
  of: Named<RowKernel | OwnKernel, readonly Name[]>,
  operands: Readonly<Record<Name, Operand>>,
  extra: Extra = {},
): DeviceCall {
  return { of, operands: of.names.map((name) => operands[name]), extra };
}

/** Calls that one call of a list becomes. */
export interface Expansion {
  readonly calls?: readonly DeviceCall[];
  /** Calls that follow all others of the phase. */
  readonly last?: readonly DeviceCall[];
}

/** A call of a list with access to its operands by name. */
export interface ListCall {
  readonly operands: readonly Operand[];
  /** Throws an Error if the kernel has no such argument. */
  operand(name: string): Operand;
  number(name: string): number;
  ref(name: string): Ref;
}

/** What a call is expanded with. */
export interface Recording {
  readonly compiled: Compiled;
  /** Whether the list runs over batches that have index lists. */
  readonly hasLists: boolean;
  /** Whether the list computes products in half precision. */
  readonly isHalf: boolean;
  /** Gradient areas that the list writes. */
  readonly areas: number;
  /** Whether the call is the last one of its kernel in the list. */
  readonly isLast: boolean;
  /** Returns the table whose rows or index list a buffer holds. */
  tableOf(ref: Ref): TablePlace;
  /** Returns what the graph looks up in a table. */
  listedIn(table: TablePlace): ListedFields;
  /** Returns where a table that is not lazy has a word per row: the number of the distinct row. */
  rowSlots(table: TablePlace): number | undefined;
  /** Returns the first of the words of `scratch` with a key. */
  scratchAt(key: string): number;
}

/**
 * A kernel of lists that becomes calls of others on a device: of none if the host or the order of dispatches does its
 * work.
 */
export interface ExpandedKernel {
  readonly form: 'expanded';
  /** All kernels that it may become. */
  readonly kernels: readonly Named[];
  /**
   * Returns the words of `scratch` that a call uses until its phase ends, and the key of calls that share them.
   * @param maxRows maximum rows of the call's domain in a pass
   */
  scratch?(call: ListCall, maxRows: number): { readonly key: string; readonly words: number };
  expand(call: ListCall, recording: Recording): Expansion;
}

export type Kernel = RowKernel | OwnKernel | ExpandedKernel;

/** The kernels of optimizers' rules. */
export type RuleKernel = Extract<KernelName, `${TableRule}${'Dense' | 'Tensor' | 'Table'}`>;

/** A kernel for each of some names. */
export type KernelsFor<Name extends KernelName> = { readonly [Each in Name]: Kernel };
