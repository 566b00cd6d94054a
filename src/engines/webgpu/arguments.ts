import { SIGNATURES } from '../compile/kernel-signatures.js';
import type { KernelName } from '../compile/call-list.js';
import { CALL_WORDS, NONE } from './wgsl/prelude.js';

/**
 * What an argument of a kernel is: where something lies, or nowhere if it is 0; where a table lies; a number of bytes;
 * a whole number, which
 * may be the rows of the batch; a float; what a hash is compared with; or nothing that is needed on a device.
 */
type Kind = 'address' | 'table' | 'bytes' | 'whole' | 'float' | 'threshold' | 'unused';

type ArgumentName = (typeof SIGNATURES)[KernelName][number];

/** Of every argument by its name: one that is new does not compile without. */
const KINDS: { readonly [Name in ArgumentName]: Kind } = {
  a: 'address',
  accumulate: 'whole',
  allRows: 'unused',
  areaBytes: 'bytes',
  areas: 'whole',
  average: 'address',
  b: 'address',
  bag: 'address',
  bias: 'address',
  bits: 'whole',
  c: 'address',
  claim: 'unused',
  claims: 'unused',
  clock: 'address',
  columns: 'whole',
  constants: 'address',
  count: 'whole',
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
  hash: 'unused',
  high: 'float',
  ids: 'address',
  inverses: 'address',
  isFirstField: 'whole',
  k: 'whole',
  keep: 'float',
  key: 'address',
  kind: 'whole',
  label: 'address',
  ld: 'whole',
  lda: 'whole',
  ldb: 'whole',
  ldc: 'whole',
  ldd: 'whole',
  ldg: 'whole',
  ldo: 'whole',
  ldt: 'whole',
  ldx: 'whole',
  ldy: 'whole',
  ldz: 'whole',
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
  panels: 'whole',
  panelsAt: 'address',
  part: 'unused',
  places: 'unused',
  pooling: 'whole',
  refused: 'unused',
  rows: 'whole',
  running: 'address',
  s: 'address',
  scale: 'float',
  shift: 'address',
  slope: 'address',
  slot: 'unused',
  slots: 'unused',
  statistics: 'address',
  stride: 'whole',
  sums: 'address',
  t: 'address',
  table: 'table',
  tableRows: 'whole',
  threshold: 'threshold',
  total: 'address',
  turn: 'unused',
  w: 'address',
  weight: 'address',
  weights: 'address',
  width: 'whole',
  x: 'address',
  y: 'address',
  z: 'address',
};

/** Kernels for which a name means something else. */
const OTHERS: Readonly<Partial<Record<string, Readonly<Record<string, Kind>>>>> = {
  averageRows: { average: 'bytes' },
  exchangeRows: { average: 'bytes' },
  clipNorm: { scale: 'address' },
};

/**
 * What a call is told beside its kernel's arguments, in the last words: some of it where it has a dispatch of its own,
 * some where it follows others row by row.
 */
const EXTRA = {
  slots: 10,
  keeps: 11,
  rowSlots: 12,
  scratch: 13,
  rowBegin: 14,
  rowEnd: 15,
  calls: 14,
  code: 15,
} as const;
export type Extra = Readonly<Partial<Record<keyof typeof EXTRA, number>>>;

/** Stands for the rows of a batch. */
const ROWS_OF_BATCH = 0xfffffffe;

/** What is said of a name in a kernel's arguments: which word it is, and what. */
export function argumentKind(kernel: string, name: string): Kind {
  return OTHERS[kernel]?.[name] ?? (name in KINDS ? KINDS[name as ArgumentName] : 'whole');
}

/** The names of the arguments of a kernel in a list of calls. */
export function argumentNames(kernel: KernelName): readonly string[] {
  return SIGNATURES[kernel];
}

/** Packs arguments into the words that a shader reads. */
export interface Packing {
  /** The word of `m` that an address is. */
  wordAt(address: number): number;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The words of a call; `isRows` says which arguments are the rows of the batch, `tableAt` where its table lies. */
export function packCall(
  kernel: string,
  names: readonly string[],
  values: readonly number[],
  isRows: (i: number) => boolean,
  { wordAt }: Packing,
  extra: Extra,
  tableAt = 0,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(CALL_WORDS);
  names.forEach((name, i) => {
    const value = values[i]!;
    const kind = argumentKind(kernel, name);
    if (kind === 'address') words[i] = value === 0 ? NONE : wordAt(value);
    else if (kind === 'table') words[i] = tableAt;
    else if (kind === 'bytes') words[i] = value / 4;
    else if (kind === 'whole') words[i] = isRows(i) ? ROWS_OF_BATCH : value;
    else if (kind === 'threshold') words[i] = Math.ceil(value);
    else if (kind === 'float') {
      float[0] = value;
      words[i] = bits[0]!;
    }
  });
  putExtra(words, extra);
  return words;
}

/** Writes more of what a call is told. */
export function putExtra(words: Uint32Array, extra: Extra): void {
  for (const [name, at] of Object.entries(EXTRA)) {
    const value = extra[name as keyof typeof EXTRA];
    if (value !== undefined) words[at] = value;
  }
}

/** A body with `$name` replaced by how a shader reads that argument of the call at `base`. */
export function withArguments(kernel: string, names: readonly string[], body: string): string {
  return body.replace(/\$([A-Za-z]\w*)/g, (_, name: string) => {
    const isExtra = name in EXTRA;
    const i = isExtra ? EXTRA[name as keyof typeof EXTRA] : names.indexOf(name);
    if (i < 0) throw new Error(`'${kernel}' has no argument '${name}'`);
    const word = `calls[base + ${i >> 2}u].${'xyzw'[i & 3]!}`;
    const kind = isExtra ? 'whole' : argumentKind(kernel, name);
    if (kind === 'float') return `bitcast<f32>(${word})`;
    return name === 'rows' || name === 'count' ? `rowsOr(${word})` : word;
  });
}

/** What `withArguments` calls. */
export const ARGUMENT_FUNCTIONS = `fn rowsOr(count: u32) -> u32 { return select(count, batchRows(), count == ${ROWS_OF_BATCH}u); }\n`;
