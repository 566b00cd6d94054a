import type { TableRule } from '../compile/call-list.js';
import { rowsAt, type Apart } from '../state/apart.js';
import { APART } from '../state/memory-plan.js';
import { BEGIN } from './begin.js';
import { WORD } from '../compile/buffers.js';
import { CONSTANT_WORDS } from '../compile/layout.js';
import { argumentNames, type KernelName } from '../compile/kernel-arguments.js';
import { SIGNATURES } from '../compile/kernel-signatures.js';
import type { Kernels } from './kernels.js';
import { shareOf, type Member } from './shares.js';

type Signatures = typeof SIGNATURES;
/** Kernels that read or write rows of tables. */
type TableKernel = {
  [Name in keyof Signatures]: 'table' extends keyof Signatures[Name] ? Name : never;
}[keyof Signatures];
type RuleKernel = `${TableRule}Table`;
type Kernel = Kernels['barrier'];

/** An instance with its own memory, to which rows are copied. */
export interface Stage {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

/** Rows per copy. */
const CHUNK = 256;
const PAGE_BYTES = 65_536;

/**
 * Creates kernels for tables in their own memory: rows are copied to an instance's memory, and back if they changed.
 * Thus every kernel supports every table, bitwise identically; frequent ones have a native form without copies.
 */
export function stagedKernels(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  apart: readonly Apart[],
  createStage: () => Stage,
): Kernels {
  if (apart.length === 0) return kernels;
  const main = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const wordAt = (at: number): number => words[at / WORD]!;
  const { kernels: own, memory: ownMemory } = createStage();
  own.join(0, 1, 0);
  let member: Member = { self: 0, threads: 1 };
  let floats = new Float32Array(ownMemory.buffer);

  /** Allocates arrays of the given numbers of words, in this order. */
  const room = <Sizes extends readonly number[]>(...sizes: Sizes): { -readonly [Place in keyof Sizes]: number } => {
    let end = BEGIN;
    const places = sizes.map((size) => {
      const at = end;
      end += Math.ceil((size * WORD) / 64) * 64;
      return at;
    });
    const missing = end - ownMemory.buffer.byteLength;
    if (missing > 0) {
      ownMemory.grow(Math.ceil(missing / PAGE_BYTES));
      floats = new Float32Array(ownMemory.buffer);
    }
    return places as { -readonly [Place in keyof Sizes]: number }; // one for each size
  };
  const copy = (from: Float32Array, at: number, to: Float32Array, into: number, count: number): void => {
    if (at + count > from.length || into + count > to.length) throw new RangeError('memory access out of bounds');
    for (let i = 0; i < count; i++) to[into + i] = from[at + i]!;
  };
  const ownWords = (): Uint32Array => new Uint32Array(ownMemory.buffer);
  /** Copies words, since half of a double, read as a float, may be a signaling NaN that changes. */
  const copyClock = (from: number, to: number): void =>
    ownWords().set(words.subarray(from / WORD, from / WORD + 4), to / WORD);

  /** Copies rows of a table to `staged`, runs the work and copies them back, chunk by chunk. */
  const inChunks = (
    table: number,
    stride: number,
    count: number,
    rowOf: (i: number) => number,
    staged: number,
    work: (first: number, rows: number) => void,
  ): void => {
    const { begin: from, end } = shareOf(member, count, 1);
    const { floats: rows, first } = rowsAt(table, main, apart);
    for (let chunk = from; chunk < end; chunk += CHUNK) {
      const size = Math.min(CHUNK, end - chunk);
      for (let i = 0; i < size; i++)
        copy(rows, first + rowOf(chunk + i) * stride, floats, staged / WORD + i * stride, stride);
      work(chunk, size);
      for (let i = 0; i < size; i++)
        copy(floats, staged / WORD + i * stride, rows, first + rowOf(chunk + i) * stride, stride);
    }
  };
  /** Writes row indices 0, 1, 2, …: the rows of a chunk, in order. */
  const count = (at: number, rows: number): void => {
    const to = ownWords();
    for (let i = 0; i < rows; i++) to[at / WORD + i] = i;
  };

  const ruleKernel =
    (name: RuleKernel): Kernel =>
    (...args) => {
      const [table, stride, width, , distinct, gradients, countAt, constants, refused, tableRows] = args as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      if (wordAt(refused) !== 0) return;
      const [ownConstants, ownRefused, ownCount, ownDistinct, ownGradients, rows] = room(
        CONSTANT_WORDS,
        1,
        3,
        CHUNK,
        CHUNK * width,
        CHUNK * stride,
      );
      const touched = wordAt(countAt);
      const slots =
        tableRows === 0
          ? undefined
          : new Map(Array.from({ length: touched }, (_, u) => [wordAt(distinct + u * WORD), u]));
      copy(main, constants / WORD, floats, ownConstants / WORD, CONSTANT_WORDS);
      ownWords()[ownRefused / WORD] = 0;
      count(ownDistinct, CHUNK);
      inChunks(
        table,
        stride,
        tableRows || touched,
        (i) => (slots === undefined ? wordAt(distinct + i * WORD) : i),
        rows,
        (first, size) => {
          for (let i = 0; i < size; i++) {
            const slot = slots === undefined ? first + i : slots.get(first + i);
            const at = ownGradients / WORD + i * width;
            if (slot === undefined) floats.fill(0, at, at + width);
            else copy(main, gradients / WORD + slot * width, floats, at, width);
          }
          ownWords()[ownCount / WORD] = size;
          own[name](rows, stride, width, 0, ownDistinct, ownGradients, ownCount, ownConstants, ownRefused, 0);
        },
      );
    };

  const others: Readonly<Record<Exclude<TableKernel, RuleKernel>, Kernel>> = {
    lookup: (...args) => {
      const [ids, table, stride, width, y, ldy, rows] = args as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const { floats: from, first } = rowsAt(table, main, apart);
      const { begin: b0, end } = shareOf(member, rows, 4);
      for (let b = b0; b < end; b++)
        copy(from, first + wordAt(ids + b * WORD) * stride, main, y / WORD + b * ldy, width);
    },
    lookupBags: (...args) => {
      const [bag, offsets, table, stride, width, y, ldy, rows] = args as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const { floats: from, first } = rowsAt(table, main, apart);
      // Bags may have grown the memory.
      const [now, nowWords] = [new Float32Array(memory.buffer), new Uint32Array(memory.buffer)];
      const [ids, factors] = [wordAt(bag), wordAt(bag + WORD)];
      const { begin: b0, end } = shareOf(member, rows, 4);
      for (let b = b0; b < end; b++) {
        const [item, stop] = [wordAt(offsets + b * WORD), wordAt(offsets + (b + 1) * WORD)];
        const items = stop - item;
        const [ownBag, ownOffsets, ownIds, ownFactors, staged, ownY] = room(2, 2, items, items, items * width, width);
        ownWords().set([ownIds, ownFactors], ownBag / WORD);
        ownWords().set([0, items], ownOffsets / WORD);
        count(ownIds, items);
        copy(now, factors / WORD + item, floats, ownFactors / WORD, items);
        for (let i = 0; i < items; i++)
          copy(from, first + nowWords[ids / WORD + item + i]! * stride, floats, staged / WORD + i * width, width);
        own.lookupBags(ownBag, ownOffsets, staged, width, width, ownY, width, 1);
        copy(floats, ownY / WORD, main, y / WORD + b * ldy, width);
      }
    },
    averageRows: (...args) => {
      const [table, stride, width, average, distinct, countAt, clock, refused, tableRows] = args as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      if (wordAt(refused) !== 0) return;
      const [ownClock, ownRefused, ownCount, ownDistinct, rows] = room(4, 1, 3, CHUNK, CHUNK * stride);
      copyClock(clock, ownClock);
      ownWords()[ownRefused / WORD] = 0;
      count(ownDistinct, CHUNK);
      inChunks(
        table,
        stride,
        tableRows || wordAt(countAt),
        (i) => (tableRows === 0 ? wordAt(distinct + i * WORD) : i),
        rows,
        (_, size) => {
          ownWords()[ownCount / WORD] = size;
          own.averageRows(rows, stride, width, average, ownDistinct, ownCount, ownClock, ownRefused, 0);
        },
      );
    },
    exchangeRows: (...args) => {
      const [table, stride, width, average, tableRows, clock] = args as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const [ownClock, rows] = room(4, CHUNK * stride);
      copyClock(clock, ownClock);
      inChunks(
        table,
        stride,
        tableRows,
        (i) => i,
        rows,
        (_, size) => void own.exchangeRows(rows, stride, width, average, size, ownClock),
      );
    },
  };

  const isRule = (name: string): name is RuleKernel => name.endsWith('Table') && name in SIGNATURES;
  const all = {
    ...Object.fromEntries(
      Object.keys(SIGNATURES)
        .filter(isRule)
        .map((name) => [name, ruleKernel(name)]),
    ),
    ...others,
  } as Readonly<Record<TableKernel, Kernel>>;
  const chosen = Object.entries(all).map(([name, kernel]) => {
    const within = kernels[name as TableKernel];
    const tableAt = argumentNames(name as KernelName).indexOf('table');
    const either: Kernel = (...args) => (args[tableAt]! >= APART ? kernel(...args) : within(...args));
    return [name, either] as const;
  });
  const join: Kernel = (self, threads, barrier) => {
    member = { self: self!, threads: threads! };
    kernels.join(self!, threads!, barrier!);
  };
  return { ...kernels, ...Object.fromEntries(chosen), join };
}
