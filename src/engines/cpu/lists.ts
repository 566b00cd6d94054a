import { BATCH, domainName, isOfItems, type Domain } from '../../graph/domain.js';
import { monotonicMs } from '../../system/clock.js';
import { countWords, WORD, type Buffer, type Ref } from '../compile/buffers.js';
import { partsOfCall, rowsOfCall, type Call } from '../compile/call-list.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import type { Layout } from '../compile/layout.js';
import type { Image } from '../state/image.js';
import type { MemoryPlan } from '../state/memory-plan.js';
import type { Exchanges, Instance } from './kernels.js';

// Lists of calls in the memory of a program, from which kernels run them (kernels/run.c): a call is doubles, its head
// and its arguments. The head is the index of its kernel, the number of doubles up to the next call, and what it
// computes for the rows of the batch that a worker has: 0 for something else, minus the number of its rows for each of
// them, or the offsets of their items, and for the values of items the offsets of these.

const DOUBLE = 8;
/** Doubles before the arguments of a call. */
const HEAD = 4;
/** Doubles at the end of a head, about rows. */
const ROWS_HEAD = 2;
/** Index of a call that JavaScript makes: an exchange, or a kernel on a table that lists cannot access. */
const OUTSIDE = -1;
/** Index of the start of a phase by rows, which has the rows of the batch, and what blocks and parts consist of. */
const PHASE = -2;
/** Rows of the batch and items of a block, whose values remain in the second cache. */
const BLOCK_COST = 2400;
/** Index of it among the arguments of a phase. */
const BLOCK_COST_AT = 2;

const INDICES: ReadonlyMap<string, number> = new Map(Object.keys(SIGNATURES).map((name, index) => [name, index]));

type Lists = Readonly<Record<string, readonly Call[]>>;

/** A list in memory. Consists of numbers and strings, so that it can be sent to a worker. */
export interface PlacedList {
  /** Offsets of the first call and behind the last, in bytes. */
  readonly begin: number;
  readonly end: number;
  /** Kernels of all calls in order; undefined at the start of a phase by rows. */
  readonly kernels: readonly (Call['kernel'] | undefined)[];
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

const doublesOf = ({ operands }: Pick<Call, 'operands'>): number => HEAD + operands.length;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Takes the buffer of lists, before memory is assigned. */
export function takeLists({ buffers, tables }: Pick<Layout, 'buffers' | 'tables'>, lists: Lists): Ref {
  const phases = Object.values(lists).flatMap((calls) => inPhases(calls));
  const doubles = phases.flatMap((phase) => [...startOf(phase, tables), ...phase].map(doublesOf));
  return buffers.take('calls', 'scratch', 1 + sum(doubles), DOUBLE / WORD);
}

/** Splits calls behind each barrier. */
function inPhases(calls: readonly Call[]): readonly (readonly Call[])[] {
  const phases: Call[][] = [[]];
  for (const call of calls) {
    phases.at(-1)!.push(call);
    if (call.kernel === 'barrier') phases.push([]);
  }
  return phases;
}

/** The start of a phase by rows. */
interface PhaseStart {
  readonly kernel: undefined;
  readonly operands: Call['operands'];
}

/** Returns the call that starts a phase if it has calls by rows of a batch. */
function startOf(phase: readonly Call[], tables: Layout['tables']): readonly PhaseStart[] {
  const domains = new Map(phase.flatMap((call) => rowsOfCall(call) ?? []).map((rows) => [domainName(rows), rows]));
  if (domains.size === 0) return [];
  const ofItems = [...domains.values()].filter(isOfItems).map((rows) => headOf(rows, tables));
  const offsets = ofItems.flatMap(({ rows, outer }) => (outer === 0 ? rows : []));
  const doubles = sum(phase.filter(({ kernel }) => kernel !== 'barrier').map(doublesOf));
  const blockCost = offsets.length === 0 ? 0 : BLOCK_COST;
  const parts = Math.max(...phase.map(partsOfCall));
  return [{ kernel: undefined, operands: [BATCH, doubles, blockCost, parts, offsets.length, ...offsets] }];
}

/** Returns what the head of a call says of its rows. */
function headOf(
  domain: Domain | undefined,
  { itemsOf }: Layout['tables'],
): { readonly rows: Ref | number; readonly outer: Ref | 0 } {
  if (domain === undefined || domain.kind === 'shared') return { rows: 0, outer: 0 };
  if (!isOfItems(domain)) return { rows: domain.kind === 'blocks' ? -domain.count : -1, outer: 0 };
  const { offsets, selected, rows } = itemsOf(domain.field);
  if (domain.kind === 'selected')
    return { rows: selected.find(({ count }) => count === domain.count)!.offsets, outer: 0 };
  return { rows: offsets, outer: isOfItems(rows) ? itemsOf(rows.field).offsets : 0 };
}

/**
 * Writes lists to memory, with addresses in place of positions in buffers.
 * @throws Error if a call exceeds a buffer
 */
export function placeLists<List extends string>(
  lists: Readonly<Record<List, readonly Call[]>>,
  memory: ListMemory,
  layout: Pick<Layout, 'domains' | 'maxRowsOf' | 'tables'>,
  instance: Pick<Instance, 'reach'>,
): Readonly<Record<List, PlacedList>> {
  const writer = new ListWriter(memory, layout, instance);
  const placed = Object.entries<readonly Call[]>(lists).map(([name, calls]) => [name, writer.write(calls)] as const);
  return Object.fromEntries(placed) as Record<List, PlacedList>; // the same keys
}

/** Writes lists one after the other. */
class ListWriter {
  readonly #memory: ListMemory;
  readonly #layout: Pick<Layout, 'domains' | 'maxRowsOf' | 'tables'>;
  readonly #reach: Instance['reach'];
  readonly #domains: ReadonlyMap<string, number>;
  #next: number;

  constructor(
    memory: ListMemory,
    layout: Pick<Layout, 'domains' | 'maxRowsOf' | 'tables'>,
    { reach }: Pick<Instance, 'reach'>,
  ) {
    this.#memory = memory;
    this.#layout = layout;
    this.#reach = reach;
    this.#domains = new Map(layout.domains.map((domain, index) => [domainName(domain), index]));
    this.#next = this.#addressOf(memory.lists) / DOUBLE;
  }

  write(calls: readonly Call[]): PlacedList {
    const begin = this.#next * DOUBLE;
    const { tables } = this.#layout;
    const rowsAt: PlacedList['rowsAt'][number][] = [];
    const kernels: PlacedList['kernels'][number][] = [];
    for (const phase of inPhases(calls)) {
      const start = this.#next;
      const starts = startOf(phase, tables);
      kernels.push(...starts.map(() => undefined), ...phase.map(({ kernel }) => kernel));
      for (const each of starts) this.#write(each, PHASE, undefined, rowsAt);
      const areInside = phase.map((call) => this.#write(call, INDICES.get(call.kernel), rowsOfCall(call), rowsAt));
      // Kernels do not run blocks of a call that JavaScript makes.
      if (starts.length > 0 && areInside.includes(false)) this.#memory.image.doubles[start + HEAD + BLOCK_COST_AT] = 0;
    }
    return { begin, end: this.#next * DOUBLE, kernels, rowsAt };
  }

  /** Writes a call; returns whether its kernel can run in a list. */
  #write(
    call: Call | PhaseStart,
    kernel: number | undefined,
    rows: Domain | undefined,
    rowsAt: PlacedList['rowsAt'][number][],
  ): boolean {
    const { doubles } = this.#memory.image;
    const head = headOf(rows, this.#layout.tables);
    let isInside = kernel !== undefined;
    for (const [i, operand] of [head.rows, head.outer, ...call.operands].entries()) {
      const at = this.#next + HEAD - ROWS_HEAD + i;
      if (typeof operand === 'number') doubles[at] = operand;
      else if ('buffer' in operand) {
        checkWithin(call, operand, this.#layout.maxRowsOf);
        const address = this.#addressOf(operand);
        const reached = this.#reach(address);
        isInside &&= reached !== undefined;
        doubles[at] = reached ?? address;
      } else rowsAt.push({ at, domain: this.#domains.get(domainName(operand))! });
    }
    doubles[this.#next] = isInside ? kernel! : OUTSIDE;
    doubles[this.#next + 1] = doublesOf(call);
    this.#next += doublesOf(call);
    return isInside;
  }

  #addressOf({ buffer, offset }: Ref): number {
    return this.#memory.plan.addresses.get(buffer)! + offset * WORD;
  }
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
function checkWithin({ kernel }: Call | PhaseStart, operand: Ref, maxRowsOf: (domain: Domain) => number): void {
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
  const calls: { readonly name: Call['kernel'] | undefined; readonly at: number }[] = [];
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
      if (name !== undefined) onCall(name, monotonicMs() - startMs);
    }
  };
}
