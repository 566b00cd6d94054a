import { tensorError } from '../../io/named-tensor.js';
import { createHash } from 'node:crypto';
import type { Chunk, ChunkRows } from '../../chunks/chunk.js';
import { grown } from '../../core/grown.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { checkNames } from '../sources/computed-columns.js';
import { RowCounter } from '../counters/row-counter.js';
import { counterColumn, counterNames } from '../sources/counter-columns.js';
import type { CounterPlan } from '../counters/counter-plan.js';
import { LATE, startSet, type CounterSet, type CounterState } from '../counters/counter-set.js';
import { joinStates, type FirstRow, type RunCounters } from '../counters/counter-start.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { RowState } from './row-state.js';

/** Tensor of a state with the values of the records that were counted, but come after the position of the run. */
const AHEAD = 'ahead';

/** Finds the state before the first record; undefined for counters that begin at zero. */
export type FindStart = (first: FirstRow) => CounterState | undefined;

/**
 * Counters of the records of a stream, in its order. Records are counted when they are read, and some of them before
 * the batch that they belong to is complete. Their values are a part of the state, so that a resumed run, which reads
 * these records again, counts none twice.
 */
export class FollowedCounters implements RowState<'counters'> {
  readonly name = 'counters';
  readonly late = [];
  readonly observers = [];
  readonly #plan: CounterPlan;
  readonly #findStart: FindStart;
  #first: { readonly state: CounterState | undefined } | undefined;
  #counter: RowCounter;
  /** Values of the records after the position: the values of all counters, record by record. */
  #ahead: Float32Array = new Float32Array(0);
  #aheadEnd = 0;
  /** Values of the records that were read since the position. */
  #read = 0;
  #isLarge = false;
  // Of the rows that were added last:
  #values: readonly Float32Array[] = [];
  #file: FileColumns | undefined;

  /** @param findStart default: counters begin at zero */
  constructor(plan: CounterPlan, findStart: FindStart = () => undefined) {
    this.#plan = plan;
    this.#findStart = findStart;
    this.#counter = this.#counterFrom();
  }

  /** Continues from the state of a checkpoint. */
  static resume(plan: CounterPlan, { start, ends }: RunCounters): FollowedCounters {
    const counters = new FollowedCounters(plan);
    counters.#first = { state: start };
    const state = ends.at(-1);
    if (state === undefined) return counters;
    counters.#counter = counters.#counterFrom(startSet(plan, state));
    // Absent if no value is ahead.
    const ahead = state.get(AHEAD);
    if (ahead === undefined) return counters;
    if (!(ahead.data instanceof Float32Array) || ahead.shape.length !== 2)
      throw tensorError(AHEAD, 'expected a matrix of F32');
    counters.#ahead = ahead.data.slice();
    counters.#aheadEnd = counters.#ahead.length;
    return counters;
  }

  preview(): FollowedCounters {
    return new FollowedCounters(this.#plan, (first) => this.#startAt(first));
  }

  checkMemory(): string | undefined {
    if (this.#isLarge) return undefined;
    const warning = this.#counter.set?.describeMemory(this.#file?.path ?? '');
    this.#isLarge = warning !== undefined;
    return warning;
  }

  extend(rows: Chunk, file: FileColumns): Chunk {
    const { names } = this.#plan;
    if (file !== this.#file) checkNames(file, counterNames(names));
    this.#file = file;
    const numCounted = Math.min(rows.rows, (this.#aheadEnd - this.#read) / names.length);
    const values = (this.#values = this.#counter.count(rows, file, 0, numCounted));
    this.#ahead = grown(this.#ahead, this.#read + rows.rows * names.length);
    for (let row = 0; row < rows.rows; row++)
      for (const column of values) {
        if (row < numCounted) column[row] = this.#ahead[this.#read]!;
        else this.#ahead[this.#aheadEnd++] = column[row]!;
        this.#read++;
      }
    const added = names.map((name, c) => [name, counterColumn(this.#plan, values[c]!, rows)] as const);
    return { ...rows, columns: new Map([...rows.columns, ...added]) };
  }

  /** A reader that refuses extended rows that are late, which were not counted. */
  readonly readers: readonly ReadColumns[] = [(rows) => this.#refuseLate(rows)];

  #refuseLate(rows: ChunkRows): void {
    const { time, toleranceMs } = this.#plan;
    rows.eachKept([time], (row) => {
      if (this.#values[0]![row] !== LATE) return;
      const limit = toleranceMs === 0 ? 'not' : `at most ${toleranceMs / 1000}s`;
      throw new InvalidValueError(`a time ${limit} before the latest one`, 'set a larger data.counters.tolerance');
    });
  }

  move(): void {
    this.#ahead.copyWithin(0, this.#read, this.#aheadEnd);
    this.#aheadEnd -= this.#read;
    this.#read = 0;
  }

  mark(): void {
    // Nothing: the values of records that are read while a checkpoint is written are a part of the state.
  }

  full(): CounterState {
    return joinStates(this.#state());
  }

  changes(): CounterState {
    return joinStates({ ends: this.#state().ends });
  }

  markSaved(): void {
    // Deltas have the whole state.
  }

  /** Returns the state at the position: the counters after all records that were counted, and before the first one. */
  #state(): RunCounters {
    const start = this.#first?.state;
    const { set } = this.#counter;
    if (set === undefined) return { start, ends: [] };
    const state = new Map(set.save(''));
    const width = this.#plan.names.length;
    const shape = [this.#aheadEnd / width, width];
    if (this.#aheadEnd > 0) state.set(AHEAD, { shape, data: this.#ahead.slice(0, this.#aheadEnd) });
    return { start, ends: [withContent(state)] };
  }

  #counterFrom(set?: CounterSet): RowCounter {
    return new RowCounter(this.#plan, (first) => startSet(this.#plan, this.#startAt(first)), { set, marksLate: true });
  }

  #startAt(first: FirstRow): CounterState | undefined {
    return (this.#first ??= { state: this.#findStart(first) }).state;
  }
}

/** Returns a state with a hash of itself as the key of the rows so far, which are not hashed. */
function withContent(state: CounterState): CounterState {
  const hash = createHash('sha256');
  for (const [name, { data }] of state)
    hash.update(`${name} ${data.byteLength} `).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const content = new Uint8Array(hash.digest());
  return new Map([...state, ['content', { shape: [content.length], data: content }]]);
}
