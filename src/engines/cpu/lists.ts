import { domainName, type Domain } from '../../graph/domain.js';
import { monotonicMs } from '../../system/clock.js';
import { countWords, WORD, type Buffer, type Ref } from '../compile/buffers.js';
import type { Call } from '../compile/call-list.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import type { Layout } from '../compile/layout.js';
import type { Image } from '../state/image.js';
import type { MemoryPlan } from '../state/memory-plan.js';
import type { Exchanges, Instance } from './kernels.js';

// Lists of calls in the memory of a program, from which kernels run them: a call is doubles, the index of its kernel,
// the number of doubles up to the next call, and its arguments.

const DOUBLE = 8;
/** Doubles before the arguments of a call. */
const HEAD = 2;
/** Index of a call that JavaScript makes: an exchange, or a kernel on a table that lists cannot access. */
const OUTSIDE = -1;

const INDICES: ReadonlyMap<string, number> = new Map(Object.keys(SIGNATURES).map((name, index) => [name, index]));

type Lists = Readonly<Record<string, readonly Call[]>>;

/** A list in memory. Consists of numbers and strings, so that it can be sent to a worker. */
export interface PlacedList {
  /** Offsets of the first call and behind the last, in bytes. */
  readonly begin: number;
  readonly end: number;
  /** Kernels of all calls, in order. */
  readonly kernels: readonly Call['kernel'][];
  /** Indices of doubles that are the rows of a domain. */
  readonly rowsAt: readonly { readonly at: number; readonly domain: number }[];
}

/** The memory that lists are written to, and where. */
interface ListMemory {
  readonly lists: Ref;
  readonly plan: Pick<MemoryPlan, 'addresses'>;
  readonly image: Pick<Image, 'doubles'>;
}

/** Observes the calls of a step. */
export type CallObserver = (kernel: Call['kernel'], elapsedMs: number) => void;

const doublesOf = ({ operands }: Call): number => HEAD + operands.length;

/** Takes the buffer of lists, before memory is assigned. */
export function takeLists({ buffers }: Pick<Layout, 'buffers'>, lists: Lists): Ref {
  const doubles = Object.values(lists).flatMap((calls) => calls.map(doublesOf));
  return buffers.take('calls', 'scratch', 1 + doubles.reduce((sum, count) => sum + count, 0), DOUBLE / WORD);
}

/**
 * Writes lists to memory, with addresses in place of positions in buffers.
 * @throws Error if a call exceeds a buffer
 */
export function placeLists<List extends string>(
  lists: Readonly<Record<List, readonly Call[]>>,
  { lists: at, plan: { addresses }, image: { doubles } }: ListMemory,
  { domains, maxRowsOf }: Pick<Layout, 'domains' | 'maxRowsOf'>,
  { reach }: Pick<Instance, 'reach'>,
): Readonly<Record<List, PlacedList>> {
  const indices = new Map(domains.map((domain, index) => [domainName(domain), index]));
  const addressOf = ({ buffer, offset }: Ref): number => addresses.get(buffer)! + offset * WORD;
  let next = addressOf(at) / DOUBLE;
  const place = (calls: readonly Call[]): PlacedList => {
    const begin = next * DOUBLE;
    const rowsAt: { at: number; domain: number }[] = [];
    for (const call of calls) {
      const { kernel, operands } = call;
      const index = INDICES.get(kernel);
      let isInside = index !== undefined;
      for (const [i, operand] of operands.entries()) {
        if (typeof operand === 'number') doubles[next + HEAD + i] = operand;
        else if ('buffer' in operand) {
          checkWithin(call, operand, maxRowsOf);
          const address = addressOf(operand);
          const reached = reach(address);
          isInside &&= reached !== undefined;
          doubles[next + HEAD + i] = reached ?? address;
        } else rowsAt.push({ at: next + HEAD + i, domain: indices.get(domainName(operand))! });
      }
      doubles[next] = isInside ? index! : OUTSIDE;
      doubles[next + 1] = doublesOf(call);
      next += doublesOf(call);
    }
    return { begin, end: next * DOUBLE, kernels: calls.map(({ kernel }) => kernel), rowsAt };
  };
  const placed = Object.entries<readonly Call[]>(lists).map(([name, calls]) => [name, place(calls)] as const);
  return Object.fromEntries(placed) as Record<List, PlacedList>; // the same keys
}

/**
 * Returns the arguments of a call outside a list, with addresses in place of positions in buffers.
 * @throws Error if it exceeds a buffer
 */
export function addressOperands(
  call: Call,
  { addresses }: Pick<MemoryPlan, 'addresses'>,
  maxRowsOf: (domain: Domain) => number,
): { readonly args: number[]; readonly rowsAt: readonly { readonly at: number; readonly domain: Domain }[] } {
  const rowsAt: { at: number; domain: Domain }[] = [];
  const args = call.operands.map((operand, at) => {
    if (typeof operand === 'number') return operand;
    if (!('buffer' in operand)) {
      rowsAt.push({ at, domain: operand });
      return 0;
    }
    checkWithin(call, operand, maxRowsOf);
    return addresses.get(operand.buffer)! + operand.offset * WORD;
  });
  return { args, rowsAt };
}

/** Requires that an operand is within its buffer: kernels do not check it. */
function checkWithin({ kernel }: Call, operand: Ref, maxRowsOf: (domain: Domain) => number): void {
  const { buffer, offset } = operand;
  const words = countWords(buffer, maxRowsOf);
  const last = 'ld' in operand && 'width' in operand ? lastOf(operand as Ref & Shape, buffer, maxRowsOf) : 0;
  if (offset < 0 || offset + last > words || (offset === words && words > 0))
    throw new Error(`${kernel}: word ${offset + last} of buffer '${buffer.name}', which has ${words}`);
}

interface Shape {
  readonly ld: number;
  readonly width: number;
}

/** Words from the first to behind the last of a matrix that has the rows of its buffer. */
function lastOf({ ld, width }: Shape, { rows }: Buffer, maxRowsOf: (domain: Domain) => number): number {
  return typeof rows === 'number' ? 0 : (maxRowsOf(rows) - 1) * ld + width;
}

/** Writes the rows of each domain to the calls of a list. */
export function setRows({ rowsAt }: PlacedList, doubles: Float64Array, rows: readonly number[]): void {
  for (const { at, domain } of rowsAt) doubles[at] = rows[domain]!;
}

/**
 * Creates a function that runs a list.
 * @param exchanges of this thread
 * @param onCall called with the duration of each call
 */
export function createRun(
  { begin, end, kernels: names }: PlacedList,
  { kernels, run }: Instance,
  doubles: Float64Array,
  exchanges: Exchanges,
  onCall?: CallObserver,
): () => void {
  const functions = { ...kernels, ...exchanges };
  const nextOf = (at: number): number => at + doubles[at / DOUBLE + 1]! * DOUBLE;
  const outside = new Map<number, (...args: number[]) => unknown>();
  const calls: { readonly name: Call['kernel']; readonly at: number }[] = [];
  for (let [at, i] = [begin, 0]; at < end; at = nextOf(at), i++) {
    const name = names[i]!;
    calls.push({ name, at });
    if (doubles[at / DOUBLE] === OUTSIDE) outside.set(at, functions[name]);
  }
  const runUpTo = (from: number, to: number): void => {
    for (let at = run(from, to); at < to; at = run(nextOf(at), to))
      outside.get(at)!(...doubles.subarray(at / DOUBLE + HEAD, nextOf(at) / DOUBLE));
  };
  if (onCall === undefined) return () => runUpTo(begin, end);
  return () => {
    for (const { name, at } of calls) {
      const startMs = monotonicMs();
      runUpTo(at, nextOf(at));
      onCall(name, monotonicMs() - startMs);
    }
  };
}
