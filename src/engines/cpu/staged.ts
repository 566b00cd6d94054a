import type { TableRule } from '../compile/call-list.js';
import { rowsAt, type ExternalTable } from '../state/external-tables.js';
import { EXTERNAL_BASE } from '../state/memory-plan.js';
import { WORD } from '../compile/buffers.js';
import { CONSTANT_WORDS } from '../compile/layout.js';
import { argumentNames } from '../compile/kernel-arguments.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import { BEGIN } from './begin.js';
import type { Kernels, Shares } from './kernels.js';

type Signatures = typeof SIGNATURES;
/** Kernels that read or write rows of tables. */
type TableKernel = {
  [Name in keyof Signatures]: 'table' extends keyof Signatures[Name] ? Name : never;
}[keyof Signatures];
type RuleKernel = `${TableRule}Table`;
type BagKernel = Extract<TableKernel, `lookupBags${string}`>;
type QuantizedLookup = Exclude<Extract<TableKernel, `lookup${string}`>, BagKernel | 'lookup'>;
type Kernel = Kernels['barrier'];

/** An instance with its own memory, to which rows are copied. */
export interface Stage {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

const CHUNK = 256;
const PAGE_BYTES = 65_536;
const ALIGNMENT = 64;

/**
 * Creates kernels for tables in their own memory: rows are copied to an instance's memory, and back if they changed.
 * Thus every kernel supports every table, bitwise identically; frequent ones have a native form without copies.
 */
export function stagedKernels(
  kernels: Kernels,
  shares: Shares,
  memory: WebAssembly.Memory,
  external: readonly ExternalTable[],
  createStage: () => Stage,
): Kernels {
  if (external.length === 0) return kernels;
  const staged = new StagedKernels(shares, memory, external, new StageMemory(createStage()));
  const chosen = Object.entries(staged.all()).map(([name, kernel]) => {
    const within = kernels[name as TableKernel];
    const tableAt = argumentNames(name as TableKernel).indexOf('table');
    const either: Kernel = (...args) => (args[tableAt]! >= EXTERNAL_BASE ? kernel(...args) : within(...args));
    return [name, either] as const;
  });
  return { ...kernels, ...Object.fromEntries(chosen) };
}

/** The memory of a stage, which grows on demand. */
class StageMemory {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  floats!: Float32Array;
  words!: Uint32Array;

  constructor({ kernels, memory }: Stage) {
    this.kernels = kernels;
    this.#memory = memory;
    kernels.join(0, 1, 0);
    this.#createViews();
  }

  /** Allocates arrays of the given numbers of words, in this order; returns their addresses. Replaces earlier ones. */
  allocate<Sizes extends readonly number[]>(...sizes: Sizes): { -readonly [Place in keyof Sizes]: number } {
    let end = BEGIN;
    const places = sizes.map((size) => {
      const at = end;
      end += Math.ceil((size * WORD) / ALIGNMENT) * ALIGNMENT;
      return at;
    });
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) {
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
      this.#createViews();
    }
    return places as { -readonly [Place in keyof Sizes]: number }; // one for each size
  }

  /** Writes row indices 0, 1, 2, …: the rows of a chunk, in order. */
  count(at: number, rows: number): void {
    for (let i = 0; i < rows; i++) this.words[at / WORD + i] = i;
  }

  #createViews(): void {
    this.floats = new Float32Array(this.#memory.buffer);
    this.words = new Uint32Array(this.#memory.buffer);
  }
}

/** Rows of a table that a call changes. */
interface ChangedRows {
  readonly table: number;
  readonly stride: number;
  readonly count: number;
  /** Returns the i-th staged row. */
  rowOf(i: number): number;
}

/** The staged kernels. Address arguments are the arguments of the kernels that they replace. */
class StagedKernels {
  readonly #shares: Shares;
  readonly #memory: WebAssembly.Memory;
  readonly #external: readonly ExternalTable[];
  readonly #stage: StageMemory;
  readonly #floats: Float32Array;
  readonly #words: Uint32Array;

  constructor(shares: Shares, memory: WebAssembly.Memory, external: readonly ExternalTable[], stage: StageMemory) {
    this.#shares = shares;
    this.#memory = memory;
    this.#external = external;
    this.#stage = stage;
    this.#floats = new Float32Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
  }

  all(): Readonly<Record<string, Kernel>> {
    const isRule = (name: string): name is RuleKernel => name.endsWith('Table') && name in SIGNATURES;
    const rules = Object.keys(SIGNATURES).filter(isRule);
    const bags = (name: BagKernel): Kernel => byName(name, (args) => this.#lookupBags(name, args));
    const quantized = (name: QuantizedLookup): Kernel => byName(name, (args) => this.#lookupQuantized(name, args));
    const others: Readonly<Record<Exclude<TableKernel, RuleKernel>, Kernel>> = {
      lookup: byName('lookup', (args) => this.#lookup(args)),
      lookupInt8: quantized('lookupInt8'),
      lookupHalf: quantized('lookupHalf'),
      lookupBags: bags('lookupBags'),
      lookupBagsInt8: bags('lookupBagsInt8'),
      lookupBagsHalf: bags('lookupBagsHalf'),
      averageRows: byName('averageRows', (args) => this.#averageRows(args)),
      exchangeRows: byName('exchangeRows', (args) => this.#exchangeRows(args)),
    };
    return {
      ...Object.fromEntries(rules.map((name) => [name, byName(name, (args) => this.#update(name, args))])),
      ...others,
    };
  }

  #lookup({ ids, table, tableSize, stride, width, y, ldy, rows }: Arguments<'lookup'>): void {
    const { floats, first } = rowsAt(table, this.#floats, this.#external);
    const { begin, end } = this.#shareOf(rows, 4);
    for (let b = begin; b < end; b++)
      copy(
        floats,
        first + checkId(this.#wordAt(ids + b * WORD), tableSize) * stride,
        this.#floats,
        y / WORD + b * ldy,
        width,
      );
  }

  #lookupQuantized(name: QuantizedLookup, args: Arguments<'lookup'>): void {
    const { ids, table, tableSize, stride, width, y, ldy, rows } = args;
    const stage = this.#stage;
    const { floats, first } = rowsAt(table, this.#floats, this.#external);
    const { begin, end } = this.#shareOf(rows, 4);
    const [ownIds, ownRows, ownY] = stage.allocate(CHUNK, CHUNK * stride, CHUNK * width);
    stage.count(ownIds, CHUNK);
    for (let chunk = begin; chunk < end; chunk += CHUNK) {
      const size = Math.min(CHUNK, end - chunk);
      for (let b = 0; b < size; b++) {
        const id = checkId(this.#wordAt(ids + (chunk + b) * WORD), tableSize);
        copyBits(floats, first + id * stride, stage.floats, ownRows / WORD + b * stride, stride);
      }
      stage.kernels[name](ownIds, ownRows, size, stride, width, ownY, width, size);
      for (let b = 0; b < size; b++)
        copy(stage.floats, ownY / WORD + b * width, this.#floats, y / WORD + (chunk + b) * ldy, width);
    }
  }

  #lookupBags(name: BagKernel, args: Arguments<'lookupBags'>): void {
    const { bag, offsets, table, tableSize, stride, width, y, ldy, rows } = args;
    const words = Math.min(stride, width);
    const stage = this.#stage;
    const { floats, first } = rowsAt(table, this.#floats, this.#external);
    // Bags may have grown the memory.
    const [main, mainWords] = [new Float32Array(this.#memory.buffer), new Uint32Array(this.#memory.buffer)];
    const [ids, factors] = [this.#wordAt(bag) / WORD, this.#wordAt(bag + WORD) / WORD];
    const { begin, end } = this.#shareOf(rows, 4);
    for (let b = begin; b < end; b++) {
      const item = this.#wordAt(offsets + b * WORD);
      const items = this.#wordAt(offsets + (b + 1) * WORD) - item;
      const own = stage.allocate(2, 2, items, items, items * words, width);
      const [ownBag, ownOffsets, ownIds, ownFactors, ownRows, ownY] = own;
      stage.words.set([ownIds, ownFactors], ownBag / WORD);
      stage.words.set([0, items], ownOffsets / WORD);
      stage.count(ownIds, items);
      copy(main, factors + item, stage.floats, ownFactors / WORD, items);
      for (let i = 0; i < items; i++) {
        const id = checkId(mainWords[ids + item + i]!, tableSize);
        copyBits(floats, first + id * stride, stage.floats, ownRows / WORD + i * words, words);
      }
      stage.kernels[name](ownBag, ownOffsets, ownRows, items, words, width, ownY, width, 1);
      copy(stage.floats, ownY / WORD, this.#floats, y / WORD + b * ldy, width);
    }
  }

  #averageRows(args: Arguments<'averageRows'>): void {
    const { table, stride, width, average, distinct, countAt, clock, refused, tableRows } = args;
    if (this.#wordAt(refused) !== 0) return;
    const stage = this.#stage;
    const [ownClock, ownRefused, ownCount, ownDistinct, rows] = stage.allocate(4, 1, 3, CHUNK, CHUNK * stride);
    this.#copyClock(clock, ownClock);
    stage.words[ownRefused / WORD] = 0;
    stage.count(ownDistinct, CHUNK);
    const rowOf = tableRows === 0 ? (i: number) => this.#wordAt(distinct + i * WORD) : (i: number) => i;
    this.#change({ table, stride, count: tableRows || this.#wordAt(countAt), rowOf }, rows, (_, size) => {
      stage.words[ownCount / WORD] = size;
      stage.kernels.averageRows(rows, stride, width, average, ownDistinct, ownCount, ownClock, ownRefused, 0);
    });
  }

  /** Updates rows by their gradients: those that a step touched, or all with zeros for others. */
  #update(rule: RuleKernel, args: Arguments<RuleKernel>): void {
    const { table, stride, width, distinct, gradients, countAt, constants, refused, tableRows } = args;
    if (this.#wordAt(refused) !== 0) return;
    const stage = this.#stage;
    const own = stage.allocate(CONSTANT_WORDS, 1, 3, CHUNK, CHUNK * width, CHUNK * stride);
    const [ownConstants, ownRefused, ownCount, ownDistinct, ownGradients, rows] = own;
    const touched = this.#wordAt(countAt);
    const touchedRow = (slot: number): number => this.#wordAt(distinct + slot * WORD);
    const slots =
      tableRows === 0 ? undefined : new Map(Array.from({ length: touched }, (_, slot) => [touchedRow(slot), slot]));
    copy(this.#floats, constants / WORD, stage.floats, ownConstants / WORD, CONSTANT_WORDS);
    stage.words[ownRefused / WORD] = 0;
    stage.count(ownDistinct, CHUNK);
    const rowOf = slots === undefined ? touchedRow : (i: number) => i;
    this.#change({ table, stride, count: tableRows || touched, rowOf }, rows, (first, size) => {
      for (let i = 0; i < size; i++) {
        const slot = slots === undefined ? first + i : slots.get(first + i);
        const at = ownGradients / WORD + i * width;
        if (slot === undefined) stage.floats.fill(0, at, at + width);
        else copy(this.#floats, gradients / WORD + slot * width, stage.floats, at, width);
      }
      stage.words[ownCount / WORD] = size;
      stage.kernels[rule](rows, stride, width, 0, ownDistinct, ownGradients, ownCount, ownConstants, ownRefused, 0);
    });
  }

  #exchangeRows({ table, stride, width, average, rows: all, countAt, clock }: Arguments<'exchangeRows'>): void {
    const [ownClock, rows] = this.#stage.allocate(4, CHUNK * stride);
    this.#copyClock(clock, ownClock);
    const count = all || this.#wordAt(countAt);
    this.#change({ table, stride, count, rowOf: (i) => i }, rows, (_, size) => {
      this.#stage.kernels.exchangeRows(rows, stride, width, average, size, ownClock, ownClock);
    });
  }

  /** Copies this worker's share of rows to the stage, runs the work on them and copies them back, chunk by chunk. */
  #change(
    { table, stride, count, rowOf }: ChangedRows,
    staged: number,
    work: (first: number, rows: number) => void,
  ): void {
    const { floats, first } = rowsAt(table, this.#floats, this.#external);
    const { begin, end } = this.#shareOf(count, 1);
    for (let chunk = begin; chunk < end; chunk += CHUNK) {
      const size = Math.min(CHUNK, end - chunk);
      const [rowAt, ownAt] = [
        (i: number) => first + rowOf(chunk + i) * stride,
        (i: number) => staged / WORD + i * stride,
      ];
      for (let i = 0; i < size; i++) copy(floats, rowAt(i), this.#stage.floats, ownAt(i), stride);
      work(chunk, size);
      for (let i = 0; i < size; i++) copy(this.#stage.floats, ownAt(i), floats, rowAt(i), stride);
    }
  }

  /** Copies words, since half of a double, read as a float, may be a signaling NaN that changes. */
  #copyClock(from: number, to: number): void {
    this.#stage.words.set(this.#words.subarray(from / WORD, from / WORD + 4), to / WORD);
  }

  /** Returns this worker's share of rows; WebAssembly returns signed integers. */
  #shareOf(count: number, unit: number): { readonly begin: number; readonly end: number } {
    const { shareBegin, shareEnd } = this.#shares;
    return { begin: shareBegin(count, unit) >>> 0, end: shareEnd(count, unit) >>> 0 };
  }

  #wordAt(at: number): number {
    return this.#words[at / WORD]!;
  }
}

type Arguments<Name extends TableKernel> = Readonly<Record<keyof Signatures[Name], number>>;

/** Returns a kernel that takes its arguments by name. */
function byName<Name extends TableKernel>(name: Name, run: (args: Arguments<Name>) => void): Kernel {
  const names = argumentNames(name);
  return (...args) => run(Object.fromEntries(names.map((each, i) => [each, args[i]!])) as Arguments<Name>);
}

function checkId(id: number, size: number): number {
  if (id >= size) throw new RangeError(`row ${id} of a table with ${size}`);
  return id;
}

/** Copies words of quantized rows, which `copy` would change if they are a signaling NaN as a float. */
function copyBits(from: Float32Array, at: number, to: Float32Array, into: number, count: number): void {
  if (at + count > from.length) throw new RangeError('memory access out of bounds');
  to.set(from.subarray(at, at + count), into);
}

function copy(from: Float32Array, at: number, to: Float32Array, into: number, count: number): void {
  if (at + count > from.length || into + count > to.length) throw new RangeError('memory access out of bounds');
  for (let i = 0; i < count; i++) to[into + i] = from[at + i]!;
}
