import type { Domain } from '../../graph/domain.js';
import type { Ref } from '../compile/buffers.js';
import type { Operand } from '../compile/call-list.js';
import { argumentKind, type ArgumentKind } from '../compile/kernel-arguments.js';
import { CALL_WORDS, NONE } from './wgsl/prelude.js';

/** Arguments that a device does not need: how workers share work, and state of kernels that the host replaces. */
const UNUSED: Readonly<Record<string, true | undefined>> = {
  allRows: true,
  claim: true,
  claims: true,
  hash: true,
  part: true,
  refused: true,
  slot: true,
  slots: true,
  tableSize: true,
  turn: true,
};

/** Kind of an argument on a device; `threshold` is a float that is compared with an unsigned hash. */
type DeviceKind = ArgumentKind | 'threshold' | 'unused';

/** Returns the kind of a kernel's argument on a device. */
export function deviceKind(kernel: string, name: string): DeviceKind {
  if (UNUSED[name] === true) return 'unused';
  return name === 'threshold' ? 'threshold' : argumentKind(kernel, name);
}

/** Returns whether an operand is a position in a buffer. */
export function isRef(operand: Operand): operand is Ref {
  return typeof operand === 'object' && 'buffer' in operand;
}

/** Words after the arguments of a call: some only if it has its own dispatch, others only if calls run row by row. */
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

/** Counts from this one on stand for the rows of a domain: the word of a window at the difference. */
const FIRST_DOMAIN = 0xffffff00;

/** Where a device has buffers, and the rows of domains in a window. */
interface Addresses {
  readonly wordAt: (ref: Ref) => number;
  readonly rowsAt: (domain: Domain) => number;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

function bitsOf(value: number): number {
  float[0] = value;
  return bits[0]!;
}

/** Returns the word of an operand in a shader's arguments. */
function packOperand(kind: DeviceKind, operand: Operand, { wordAt, rowsAt }: Addresses, tableAt: number): number {
  if (kind === 'unused') return 0;
  if (kind === 'table') return tableAt;
  if (kind === 'address') return isRef(operand) ? wordAt(operand) : NONE;
  if (typeof operand === 'number') {
    if (kind === 'float') return bitsOf(operand);
    if (kind === 'bytes') return operand / 4;
    return kind === 'threshold' ? Math.ceil(operand) : operand;
  }
  if (isRef(operand)) throw new Error(`a position in '${operand.buffer.name}' is passed as ${kind}`);
  return FIRST_DOMAIN + rowsAt(operand);
}

/**
 * Packs the operands of a call into the words that a shader reads.
 * @param tableAt first word of the rows of its table
 */
export function packCall(
  kernel: string,
  names: readonly string[],
  operands: readonly Operand[],
  addresses: Addresses,
  extra: Extra,
  tableAt = 0,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(CALL_WORDS);
  for (const [i, name] of names.entries())
    words[i] = packOperand(deviceKind(kernel, name), operands[i]!, addresses, tableAt);
  putExtra(words, extra);
  return words;
}

/** Writes extra words of a call. */
export function putExtra(words: Uint32Array, extra: Extra): void {
  for (const [name, at] of Object.entries(EXTRA)) {
    const value = extra[name as keyof typeof EXTRA];
    if (value !== undefined) words[at] = value;
  }
}

/** Returns the address of an element. Rows of `x` are `ldx` apart; rows of `dx` are, too, if there is no `lddx`. */
function elementAddress(names: readonly string[], matrix: string, row: string, column?: string): string {
  const stride = [`ld${matrix}`, `ld${matrix.slice(1)}`].find((name) => names.includes(name)) ?? 'ld';
  return `$${matrix} + ${row} * $${stride}${column === undefined ? '' : ` + ${column}`}`;
}

/**
 * Replaces `$name` in a body by the expression that reads this argument of the call at `base`, `$x[row, column]` by an
 * element of a matrix, and `&$x[row, column]` by the address of the element. The first column is the default.
 */
export function withArguments(kernel: string, names: readonly string[], body: string): string {
  const addressed = body.replace(
    /(&?)\$([A-Za-z]\w*)\[([^,\]]+)(?:, ([^\]]+))?\]/g,
    (_, isAddress: string, matrix: string, row: string, column?: string) => {
      const address = elementAddress(names, matrix, row, column);
      return isAddress === '' ? `f(${address})` : address;
    },
  );
  return addressed.replace(/\$([A-Za-z]\w*)/g, (_, name: string) => {
    const isExtra = name in EXTRA;
    const i = isExtra ? EXTRA[name as keyof typeof EXTRA] : names.indexOf(name);
    if (i < 0) throw new Error(`'${kernel}' has no argument '${name}'`);
    const word = `calls[base + ${i >> 2}u].${'xyzw'[i & 3]!}`;
    const kind = isExtra ? 'integer' : deviceKind(kernel, name);
    if (kind === 'float') return `bitcast<f32>(${word})`;
    return kind === 'count' ? `rowsOr(${word})` : word;
  });
}

/** Functions that `withArguments` calls. */
export const ARGUMENT_FUNCTIONS = `
fn rowsOr(count: u32) -> u32 {
  if (count < ${FIRST_DOMAIN}u) { return count; }
  let word = count - ${FIRST_DOMAIN}u;
  return calls[word >> 2u][word & 3u];
}
`;
