import type { Domain } from '../../graph/domain.js';
import type { Ref } from './buffers.js';
import { SIGNATURES } from './kernel-signatures.js';

type Signatures = typeof SIGNATURES;
/** What starts and ends a program, how workers share work, and what other kernels call is in no program. */
type OwnKernel =
  'barrier' | 'has' | 'join' | 'noteNotFinite' | 'shareBegin' | 'shareEnd' | 'slotBegin' | 'slotEnd' | 'take';
export type KernelName = Exclude<keyof Signatures, OwnKernel>;
type ArgumentName = Signatures[KernelName][number];

/**
 * Kind of a kernel's argument: an `address`, or 0 for none; the address of a `table`; a `size` in bytes; an `integer`;
 * a `count` of elements or rows, which may be the rows of a domain; or a `float`.
 */
export type ArgumentKind = 'address' | 'table' | 'bytes' | 'integer' | 'count' | 'float';

/** Kind of every argument, by name. A new argument does not compile without an entry. */
const KINDS = {
  a: 'address',
  accumulate: 'integer',
  allRows: 'address',
  areaBytes: 'bytes',
  areas: 'integer',
  average: 'address',
  b: 'address',
  bag: 'address',
  bias: 'address',
  bits: 'integer',
  by: 'integer',
  c: 'address',
  claim: 'address',
  claims: 'address',
  clock: 'address',
  columns: 'integer',
  constants: 'address',
  count: 'count',
  countAt: 'address',
  counts: 'address',
  d: 'address',
  da: 'address',
  dgain: 'address',
  distinct: 'address',
  dshift: 'address',
  dx: 'address',
  dy: 'address',
  dz: 'address',
  epsilon: 'float',
  factor: 'float',
  fresh: 'address',
  g: 'address',
  gain: 'address',
  gap: 'bytes',
  gradients: 'address',
  groups: 'address',
  hash: 'address',
  high: 'float',
  ids: 'address',
  inverses: 'address',
  isFirstField: 'integer',
  isMean: 'integer',
  k: 'integer',
  keep: 'float',
  key: 'address',
  kind: 'integer',
  label: 'address',
  ld: 'integer',
  lda: 'integer',
  ldb: 'integer',
  ldc: 'integer',
  ldd: 'integer',
  ldg: 'integer',
  ldo: 'integer',
  ldt: 'integer',
  ldx: 'integer',
  ldy: 'integer',
  ldz: 'integer',
  links: 'address',
  losses: 'address',
  low: 'float',
  mask: 'address',
  momentum: 'float',
  most: 'float',
  norm: 'address',
  numbers: 'address',
  o: 'address',
  offset: 'float',
  offsets: 'address',
  otherScale: 'address',
  out: 'address',
  p: 'address',
  panels: 'integer',
  panelsAt: 'address',
  part: 'address',
  places: 'address',
  pooling: 'integer',
  refused: 'address',
  rows: 'count',
  running: 'address',
  s: 'address',
  scale: 'float',
  shift: 'address',
  slope: 'address',
  slot: 'integer',
  slots: 'integer',
  statistics: 'address',
  stride: 'integer',
  sums: 'address',
  t: 'address',
  table: 'table',
  tableRows: 'integer',
  threshold: 'float',
  total: 'address',
  turn: 'integer',
  w: 'address',
  weight: 'address',
  weights: 'address',
  width: 'integer',
  x: 'address',
  y: 'address',
  z: 'address',
} as const satisfies { readonly [Name in ArgumentName]: ArgumentKind };

/** Kernels in which a name has another kind. */
const OTHER_KINDS = {
  averageRows: { average: 'bytes' },
  exchangeRows: { average: 'bytes' },
  clipNorm: { scale: 'address' },
} as const satisfies { readonly [Kernel in KernelName]?: Readonly<Record<string, ArgumentKind>> };

type Others = typeof OTHER_KINDS;
type KindOf<Kernel, Name> = Kernel extends keyof Others
  ? Name extends keyof Others[Kernel]
    ? Others[Kernel][Name]
    : Name extends ArgumentName
      ? (typeof KINDS)[Name]
      : never
  : Name extends ArgumentName
    ? (typeof KINDS)[Name]
    : never;

interface Values {
  address: Ref | 0;
  table: Ref;
  bytes: number;
  integer: number;
  count: number | Domain;
  float: number;
}
/** What the program fills in: strides of views, the rows of a domain, shares of columns. */
type Derived = `ld${string}` | 'rows' | 'slot' | 'slots';

/** A kernel's arguments by name. Strides and rows default to those of the views that are passed. */
export type Arguments<Name extends KernelName> = {
  readonly [Argument in Exclude<Signatures[Name][number], Derived>]: Values[KindOf<Name, Argument>];
} & {
  readonly [Argument in Extract<Signatures[Name][number], Derived>]?: Values[KindOf<Name, Argument>];
};

/** Returns the kind of a kernel's argument. */
export function argumentKind(kernel: string, name: string): ArgumentKind {
  const others: Readonly<Record<string, ArgumentKind>> =
    kernel in OTHER_KINDS ? OTHER_KINDS[kernel as keyof typeof OTHER_KINDS] : {};
  return others[name] ?? (name in KINDS ? KINDS[name as ArgumentName] : 'integer');
}

/** Returns the names of a kernel's arguments, in order. */
export function argumentNames(kernel: KernelName): readonly string[] {
  return SIGNATURES[kernel];
}
