import { WORD } from '../compile/buffers.js';
import { argumentNames } from '../compile/kernel-arguments.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import { CONSTANT_WORDS } from '../compile/layout.js';
import { ALIGNMENT } from '../state/memory-plan.js';
import type { TableMemory } from '../state/table-memory.js';
import { BEGIN } from './begin.js';
import type { Kernels, Shares, TableKernelName, TableKernels } from './kernels.js';

type RuleKernel = Extract<TableKernelName, `${string}Table`>;
type BagKernel = Extract<TableKernelName, `lookupBags${string}`>;
type QuantizedLookup = Exclude<Extract<TableKernelName, `lookup${string}`>, BagKernel | 'lookup'>;
type Arguments<Name extends TableKernelName> = Readonly<Record<keyof (typeof SIGNATURES)[Name], number>>;

/** An instance of the kernels with memory of its own. */
export interface WindowInstance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

/** Words of rows per copy: they remain in the second cache. */
const WINDOW_WORDS = 16_384;
/** Words of the decay of an EMA and of the number of steps: two doubles. */
const CLOCK_WORDS = 4;
const PAGE_BYTES = 65_536;
/** Rows that are fetched together, and words of a cache line. */
const FETCHED = 16;
const LINE_WORDS = 16;

/**
 * Creates the kernels of tables in WebAssembly, which cannot access their memory: rows are copied to the memory of
 * another instance, and back if they changed. Results are bitwise those of rows in the memory of the kernels.
 * @param createInstance called once if a kernel requires it
 */
export function createTableKernels(
  shares: Shares,
  memory: WebAssembly.Memory,
  tables: TableMemory,
  createInstance: () => WindowInstance,
): TableKernels {
  const all = new WindowKernels(shares, memory, tables, createInstance);
  const rules = Object.keys(SIGNATURES).filter((name): name is RuleKernel => name.endsWith('Table'));
  const quantized = (name: QuantizedLookup): TableKernels[QuantizedLookup] =>
    byName(name, (args) => all.lookupQuantized(name, args));
  const bags = (name: BagKernel): TableKernels[BagKernel] => byName(name, (args) => all.lookupBags(name, args));
  const updates = rules.map((name) => [name, byName(name, (args) => all.update(name, args))] as const);
  return {
    // One for each rule.
    ...(Object.fromEntries(updates) as Pick<TableKernels, RuleKernel>),
    lookup: byName('lookup', (args) => all.lookup(args)),
    lookupInt8: quantized('lookupInt8'),
    lookupHalf: quantized('lookupHalf'),
    lookupBags: bags('lookupBags'),
    lookupBagsInt8: bags('lookupBagsInt8'),
    lookupBagsHalf: bags('lookupBagsHalf'),
    averageRows: byName('averageRows', (args) => all.averageRows(args)),
    exchangeRows: byName('exchangeRows', (args) => all.exchangeRows(args)),
  };
}

/** Returns a kernel that takes its arguments by name. */
function byName<Name extends TableKernelName>(name: Name, run: (args: Arguments<Name>) => void): TableKernels[Name] {
  const names = argumentNames(name);
  return (...values) => {
    const args: Record<string, number> = {};
    for (let i = 0; i < names.length; i++) args[names[i]!] = values[i]!;
    run(args as Arguments<Name>);
  };
}

/** Rows in memory. */
interface Rows {
  readonly words: Int32Array;
  /** Index of the first word, and words from row to row. */
  readonly begin: number;
  readonly stride: number;
  /** Index of the number of each row among words; by default, rows are consecutive. */
  readonly numbers?: { readonly words: Int32Array; readonly at: number };
}

/** Rows of a table that a call changes: those whose numbers are at an address, or all. */
interface ChangedRows {
  readonly table: number;
  readonly stride: number;
  readonly count: number;
  readonly numbersAt: number | undefined;
}

/** The kernels by name. Address arguments are those of the kernels that they replace. */
class WindowKernels {
  readonly #shares: Shares;
  readonly #memory: WebAssembly.Memory;
  /** Rows as integers, because a copy of floats changes signaling NaNs. */
  readonly #tables: ReadonlyMap<number, Int32Array>;
  readonly #createInstance: () => WindowInstance;
  #words: Int32Array;
  #opened: Window | undefined;

  constructor(shares: Shares, memory: WebAssembly.Memory, tables: TableMemory, createInstance: () => WindowInstance) {
    this.#shares = shares;
    this.#memory = memory;
    this.#tables = new Map(
      Array.from(tables, ([at, { buffer, byteOffset, length }]) => [at, new Int32Array(buffer, byteOffset, length)]),
    );
    this.#createInstance = createInstance;
    this.#words = new Int32Array(memory.buffer);
  }

  lookup({ ids, table, tableSize, stride, width, y, ldy, rows }: Arguments<'lookup'>): void {
    const { begin, end } = this.#shareOf(rows, 4);
    const from = this.#lookedUp(table, stride, ids / WORD + begin, end - begin, tableSize);
    copyRows(from, this.#rowsAt(y, ldy, begin), end - begin, width);
  }

  lookupQuantized(name: QuantizedLookup, args: Arguments<QuantizedLookup>): void {
    const { ids, table, tableSize, stride, width, y, ldy, rows } = args;
    const window = this.#window;
    const capacity = capacityOf(stride);
    const { numbers, places } = window.allocate(capacity, capacity * stride, capacity * width);
    const [ownRows, ownY] = places;
    const { begin, end } = this.#shareOf(rows, 4);
    for (let first = begin; first < end; first += capacity) {
      const size = Math.min(capacity, end - first);
      const from = this.#lookedUp(table, stride, ids / WORD + first, size, tableSize);
      copyRows(from, window.rowsAt(ownRows, stride), size, stride);
      window.kernels[name](numbers, ownRows, size, stride, width, ownY, width, size);
      copyRows(window.rowsAt(ownY, width), this.#rowsAt(y, ldy, first), size, width);
    }
  }

  /** Pools one or more bags at a time. */
  lookupBags(name: BagKernel, args: Arguments<BagKernel>): void {
    const { bag, offsets, table, tableSize, stride, width, y, ldy, rows } = args;
    const window = this.#window;
    // Items may have grown the memory.
    if (this.#words.byteLength < this.#memory.buffer.byteLength) this.#words = new Int32Array(this.#memory.buffer);
    const words = Math.min(stride, width);
    const [ids, factors] = [this.#wordAt(bag), this.#wordAt(bag + WORD)];
    const itemAt = (row: number): number => this.#wordAt(offsets + row * WORD);
    const { begin, end } = this.#shareOf(rows, 4);
    for (let first = begin, next; first < end; first = next) {
      const item = itemAt(first);
      next = first + 1;
      while (next < end && next - first < capacityOf(width) && itemAt(next + 1) - item <= capacityOf(words)) next++;
      const [size, items] = [next - first, itemAt(next) - item];
      const { numbers, places } = window.allocate(items, 2, size + 1, items, items * words, size * width);
      const [ownBag, ownOffsets, ownFactors, ownRows, ownY] = places;
      window.words.set([numbers, ownFactors], ownBag / WORD);
      for (let b = 0; b <= size; b++) window.words[ownOffsets / WORD + b] = itemAt(first + b) - item;
      this.#copyTo(ownFactors, factors + item * WORD, items);
      const from = this.#lookedUp(table, stride, ids / WORD + item, items, tableSize);
      copyRows(from, window.rowsAt(ownRows, words), items, words);
      window.kernels[name](ownBag, ownOffsets, ownRows, items, words, width, ownY, width, size);
      copyRows(window.rowsAt(ownY, width), this.#rowsAt(y, ldy, first), size, width);
    }
  }

  averageRows(args: Arguments<'averageRows'>): void {
    const { table, stride, width, average, distinct, countAt, clock, refused, tableRows } = args;
    if (this.#wordAt(refused) !== 0) return;
    const window = this.#window;
    const capacity = capacityOf(stride);
    const { numbers, places } = window.allocate(capacity, CLOCK_WORDS, 1, 3, capacity * stride);
    const [ownClock, ownRefused, ownCount, ownRows] = places;
    this.#copyTo(ownClock, clock, CLOCK_WORDS);
    window.words[ownRefused / WORD] = 0;
    const count = tableRows || this.#wordAt(countAt);
    const numbersAt = tableRows === 0 ? distinct : undefined;
    this.#change({ table, stride, count, numbersAt }, ownRows, (_, size) => {
      window.words[ownCount / WORD] = size;
      window.kernels.averageRows(ownRows, stride, width, average, numbers, ownCount, ownClock, ownRefused, 0);
    });
  }

  exchangeRows({ table, stride, width, average, rows, countAt, clock }: Arguments<'exchangeRows'>): void {
    const window = this.#window;
    const [ownClock, ownRows] = window.allocate(0, CLOCK_WORDS, capacityOf(stride) * stride).places;
    this.#copyTo(ownClock, clock, CLOCK_WORDS);
    const count = rows || this.#wordAt(countAt);
    this.#change({ table, stride, count, numbersAt: undefined }, ownRows, (_, size) =>
      window.kernels.exchangeRows(ownRows, stride, width, average, size, ownClock, ownClock),
    );
  }

  /** Updates rows by their gradients: those that a step touched, or all with zeros for others. */
  update(rule: RuleKernel, args: Arguments<RuleKernel>): void {
    const { table, stride, width, distinct, gradients, countAt, constants, refused, tableRows } = args;
    if (this.#wordAt(refused) !== 0) return;
    const window = this.#window;
    const capacity = capacityOf(stride);
    const { numbers, places } = window.allocate(capacity, CONSTANT_WORDS, 1, 3, capacity * width, capacity * stride);
    const [ownConstants, ownRefused, ownCount, ownGradients, ownRows] = places;
    this.#copyTo(ownConstants, constants, CONSTANT_WORDS);
    window.words[ownRefused / WORD] = 0;
    const touched = this.#wordAt(countAt);
    const slots = tableRows === 0 ? undefined : this.#slotsOf(distinct, touched);
    const count = tableRows || touched;
    const numbersAt = slots === undefined ? distinct : undefined;
    this.#change({ table, stride, count, numbersAt }, ownRows, (first, size) => {
      if (slots === undefined) this.#copyTo(ownGradients, gradients + first * width * WORD, size * width);
      for (let i = 0; slots !== undefined && i < size; i++) {
        const [slot, at] = [slots.get(first + i), ownGradients + i * width * WORD];
        if (slot === undefined) window.words.fill(0, at / WORD, at / WORD + width);
        else this.#copyTo(at, gradients + slot * width * WORD, width);
      }
      window.words[ownCount / WORD] = size;
      window.kernels[rule](ownRows, stride, width, 0, numbers, ownGradients, ownCount, ownConstants, ownRefused, 0);
    });
  }

  /** Copies this worker's share of rows to the window, runs the work on them and copies them back, part by part. */
  #change(
    { table, stride, count, numbersAt }: ChangedRows,
    windowAt: number,
    work: (first: number, size: number) => void,
  ): void {
    const own = this.#window.rowsAt(windowAt, stride);
    const words = this.#tables.get(table)!;
    const capacity = capacityOf(stride);
    const { begin, end } = this.#shareOf(count, 1);
    for (let first = begin; first < end; first += capacity) {
      const size = Math.min(capacity, end - first);
      const rows =
        numbersAt === undefined
          ? { words, begin: first * stride, stride }
          : { words, begin: 0, stride, numbers: { words: this.#words, at: numbersAt / WORD + first } };
      copyRows(rows, own, size, stride);
      work(first, size);
      copyRows(own, rows, size, stride);
    }
  }

  /** Returns the slot of each row that a step touched. */
  #slotsOf(distinct: number, touched: number): ReadonlyMap<number, number> {
    return new Map(Array.from({ length: touched }, (_, slot) => [this.#wordAt(distinct + slot * WORD), slot]));
  }

  /** Returns the rows of a table whose numbers, from an index on, are below its size. */
  #lookedUp(table: number, stride: number, at: number, count: number, tableSize: number): Rows {
    const words = this.#words;
    for (let i = at; i < at + count; i++) {
      const id = words[i]! >>> 0;
      if (id >= tableSize) throw new RangeError(`row ${id} of a table with ${tableSize}`);
    }
    return { words: this.#tables.get(table)!, begin: 0, stride, numbers: { words, at } };
  }

  get #window(): Window {
    return (this.#opened ??= new Window(this.#createInstance()));
  }

  #rowsAt(address: number, stride: number, first: number): Rows {
    return { words: this.#words, begin: address / WORD + first * stride, stride };
  }

  #copyTo(windowAt: number, from: number, count: number): void {
    this.#window.words.set(this.#words.subarray(from / WORD, from / WORD + count), windowAt / WORD);
  }

  /** Returns this worker's share of rows; WebAssembly returns signed integers. */
  #shareOf(count: number, unit: number): { readonly begin: number; readonly end: number } {
    const { shareBegin, shareEnd } = this.#shares;
    return { begin: shareBegin(count, unit) >>> 0, end: shareEnd(count, unit) >>> 0 };
  }

  #wordAt(at: number): number {
    return this.#words[at / WORD]! >>> 0;
  }
}

/** The memory of a window, which grows on demand. */
class Window {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  words: Int32Array;
  /** Count of the integers from 0 on at BEGIN. */
  #numbered = 0;

  constructor({ kernels, memory }: WindowInstance) {
    this.kernels = kernels;
    this.#memory = memory;
    this.words = new Int32Array(memory.buffer);
    kernels.join(0, 1, 0);
  }

  /**
   * Allocates arrays of the given numbers of words; replaces earlier ones.
   * @param count rows that kernels access by number
   * @returns addresses of the arrays, and of the numbers 0 … `count` - 1
   */
  allocate<Sizes extends readonly number[]>(
    count: number,
    ...sizes: Sizes
  ): { readonly numbers: number; readonly places: { -readonly [Place in keyof Sizes]: number } } {
    const bytesOf = (words: number): number => Math.ceil((words * WORD) / ALIGNMENT) * ALIGNMENT;
    let end = BEGIN + bytesOf(Math.max(count, this.#numbered));
    const places = sizes.map((size) => (end += bytesOf(size)) - bytesOf(size));
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) {
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
      this.words = new Int32Array(this.#memory.buffer);
    }
    for (; this.#numbered < count; this.#numbered++) this.words[BEGIN / WORD + this.#numbered] = this.#numbered;
    // One for each size.
    return { numbers: BEGIN, places: places as { -readonly [Place in keyof Sizes]: number } };
  }

  rowsAt(address: number, stride: number): Rows {
    return { words: this.words, begin: address / WORD, stride };
  }
}

/** Returns how many rows are copied at once. */
function capacityOf(stride: number): number {
  return Math.max(1, Math.floor(WINDOW_WORDS / stride));
}

/** Copies the first words of rows. */
function copyRows(from: Rows, to: Rows, count: number, width: number): void {
  const [source, target] = [from.words, to.words];
  const isContiguous = from.numbers === undefined && to.numbers === undefined;
  if (isContiguous && from.stride === width && to.stride === width) {
    target.set(source.subarray(from.begin, from.begin + count * width), to.begin);
    return;
  }
  for (let i = 0; i < count; i++) {
    if (from.numbers !== undefined && i % FETCHED === 0) fetchRows(from, i, Math.min(count, i + FETCHED), width);
    // A view of each row would take longer, as would a loop that is not unrolled.
    let [first, into] = [indexOf(from, i), indexOf(to, i)];
    const end = first + width;
    for (; first + 4 <= end; first += 4, into += 4) {
      target[into] = source[first]!;
      target[into + 1] = source[first + 1]!;
      target[into + 2] = source[first + 2]!;
      target[into + 3] = source[first + 3]!;
    }
    for (; first < end; first++, into++) target[into] = source[first]!;
  }
}

/** Sum of fetched words, which keeps V8 from dropping their reads. */
let fetched = 0;

/** Fetches some rows to the cache together: tables exceed it, and copies wait for each row. */
function fetchRows(rows: Rows, begin: number, end: number, width: number): void {
  const { words } = rows;
  let sum = 0;
  for (let i = begin; i < end; i++) {
    const first = indexOf(rows, i);
    for (let w = 0; w < width; w += LINE_WORDS) sum = (sum + words[first + w]!) | 0;
    sum = (sum + words[first + width - 1]!) | 0;
  }
  fetched = (fetched + sum) | 0;
}

function indexOf({ begin, stride, numbers }: Rows, i: number): number {
  return begin + (numbers === undefined ? i : numbers.words[numbers.at + i]! >>> 0) * stride;
}
