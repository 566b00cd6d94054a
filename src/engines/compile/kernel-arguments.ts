import type { Domain } from '../../graph/domain.js';
import type { Ref } from './buffers.js';
import { SIGNATURES } from './kernel-signatures.js';

type Signatures = typeof SIGNATURES;
/** What starts and ends a program and what other kernels call is in no program. */
type OwnKernel = 'barrier' | 'join';
export type KernelName = Exclude<keyof Signatures, OwnKernel>;

/**
 * Kind of a kernel's argument: an `address`, or 0 for none; the address of a `table`; a number of `bytes`; an
 * `integer`; a `count` of elements or rows, which may be the rows of a domain; or a `float`.
 */
export type ArgumentKind = 'address' | 'table' | 'bytes' | 'integer' | 'count' | 'float';

interface Values {
  address: Ref | 0;
  table: Ref;
  bytes: number;
  integer: number;
  count: number | Domain;
  float: number;
}
type ValueOf<Kind> = Kind extends ArgumentKind ? Values[Kind] : never;
/** What the program fills in: strides of views, the rows of a domain, shares of columns. */
type Derived = `ld${string}` | 'rows' | 'slot' | 'slots';

/** A kernel's arguments by name. Strides and rows default to the strides and rows of the views that are passed. */
export type Arguments<Name extends KernelName> = {
  readonly [Argument in Exclude<keyof Signatures[Name], Derived>]: ValueOf<Signatures[Name][Argument]>;
} & {
  readonly [Argument in Extract<keyof Signatures[Name], Derived>]?: ValueOf<Signatures[Name][Argument]>;
};

const KINDS: Readonly<Record<string, Readonly<Record<string, ArgumentKind>>>> = SIGNATURES;
/** Kinds by name; kernels agree on the kinds of names that several have, except for a few. */
const KINDS_BY_NAME: ReadonlyMap<string, ArgumentKind> = new Map(
  Object.values(KINDS).flatMap((parameters) => Object.entries(parameters)),
);

/** Returns the kind of an argument of a kernel, or of a backend's part of one. */
export function argumentKind(kernel: string, name: string): ArgumentKind {
  return KINDS[kernel]?.[name] ?? KINDS_BY_NAME.get(name) ?? 'integer';
}

/** Returns the names of a kernel's arguments, in order. */
export function argumentNames(kernel: KernelName): readonly string[] {
  return Object.keys(SIGNATURES[kernel]);
}
