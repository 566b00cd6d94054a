import { listStrings, textsFrom, textsOfTensors, textTensors } from '../../features/vocabulary/string-pool.js';
import { tensorError } from '../../io/named-tensor.js';
import type { StoredTensor } from '../../io/safetensors.js';
import { bytes as sizeText } from '../../text/number-text.js';
import type { Aggregate } from '../aggregates/aggregate.js';
import type { CounterPlan } from './counter-plan.js';
import { EventKeys } from '../aggregates/event-keys.js';

/** Counters that use more memory are reported. */
const MANY_BYTES = 2 ** 30;

/** Value of an invalid label, and of the counters of its row; sums of valid labels are finite. */
export const INVALID_LABEL = Infinity;
/** Value of the counters of a row that is late, and not counted. */
export const LATE = -Infinity;

/** Tensors of the state of counters, by name. */
export type CounterState = ReadonlyMap<string, StoredTensor>;

/** The values of a row that counters read. */
export interface CounterRow {
  /** Time in milliseconds since 1970. */
  readonly time: number;
  /** Key of each group of counters; empty if a value is missing. */
  readonly keys: readonly string[];
  /** Value of each label column, NaN if it is missing, `INVALID_LABEL` if it is invalid. */
  readonly labels: ArrayLike<number>;
}

/** Counters with the same key columns. */
interface KeyGroup {
  readonly table: EventKeys;
  /** Numbers of the counters. */
  readonly counters: readonly number[];
}

/**
 * All counters of a config after some rows. An event counts for a row if it is earlier by more than the delay and the
 * tolerance, so that no row sees itself, a row of the same time, or a later one. Such an event is also earlier in the
 * log, since rows are late by at most the tolerance, so that the counters of a row do not depend on their order.
 */
export class CounterSet {
  readonly #plan: CounterPlan;
  readonly #groups: readonly KeyGroup[];
  readonly #counters: readonly Aggregate[];
  /** Time of the first row. */
  #begin = Infinity;
  #clock = -Infinity;
  /** Time of the latest event of each counter, if they were added to one at a time. */
  #clocks: Float64Array | undefined;

  constructor(plan: CounterPlan) {
    this.#plan = plan;
    this.#groups = plan.groups.map((_, group) => ({
      table: new EventKeys(),
      counters: plan.specs.flatMap((_, i) => (plan.groupOf[i] === group ? [i] : [])),
    }));
    this.#counters = plan.specs.map(({ rule }, i) => rule.start(this.#groups[plan.groupOf[i]!]!.table));
  }

  /** Time of the latest row. */
  get clock(): number {
    return this.#clock;
  }

  /** Estimated memory in bytes. */
  get bytes(): number {
    return [...this.#counters, ...this.#groups.map(({ table }) => table)].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Describes the memory for a warning; undefined if it is not large.
   * @param place what was counted last
   */
  describeMemory(place: string): string | undefined {
    const { bytes } = this;
    if (bytes <= MANY_BYTES) return undefined;
    return (
      `data.counters use ${sizeText(bytes)} of memory after ${place}; shorten within or delay, or set a longer ` +
      'resolution'
    );
  }

  /** Returns whether a row is later than others by more than the tolerance. */
  isLate(time: number): boolean {
    return time < this.#clock - this.#plan.toleranceMs;
  }

  /**
   * Writes the counters of a row to `into[counter][row]`, and then adds its events. The row is not late. If a label is
   * invalid, all counters are `INVALID_LABEL`, and the label adds no event.
   */
  count({ time, keys, labels }: CounterRow, into: readonly Float32Array[], row: number): void {
    this.#begin = Math.min(this.#begin, time);
    if (time > this.#clock) {
      this.#clock = time;
      for (const counter of this.#counters) counter.advance(this.#endOfWindow(time));
    }
    const now = time - this.#plan.toleranceMs;
    let isValid = true;
    for (let l = 0; l < labels.length; l++) if (labels[l] === INVALID_LABEL) isValid = false;
    for (let g = 0; g < this.#groups.length; g++) {
      const { table, counters } = this.#groups[g]!;
      const text = keys[g]!;
      let key = text === '' ? 0 : table.find(text);
      for (const i of counters) into[i]![row] = isValid ? this.#counters[i]!.read(key, now) : INVALID_LABEL;
      if (text === '') continue;
      for (const i of counters) {
        const value = this.#valueOf(i, labels);
        if (Number.isFinite(value)) this.#counters[i]!.add(time, (key ||= table.add(text)), value);
      }
    }
  }

  /**
   * Writes the counters of a row to `into[counter][row]`, and changes nothing: the row adds no event. If it is late, it
   * reads the counters of the earliest row that is not late.
   */
  read({ time, keys }: Omit<CounterRow, 'labels'>, into: readonly Float32Array[], row: number): void {
    const { toleranceMs } = this.#plan;
    for (const [g, { table, counters }] of this.#groups.entries()) {
      const key = keys[g] === '' ? 0 : table.find(keys[g]!);
      for (const i of counters)
        into[i]![row] = this.#counters[i]!.read(key, Math.max(time, this.clockOf(i) - toleranceMs) - toleranceMs);
    }
  }

  /** Adds the events of a valid row to a counter that it is not late for. Calls of counters have any order. */
  add(i: number, { time, keys, labels }: CounterRow): void {
    this.#clocks ??= new Float64Array(this.#counters.length).fill(this.#clock);
    const counter = this.#counters[i]!;
    if (time > this.#clocks[i]!) counter.advance(this.#endOfWindow((this.#clocks[i] = time)));
    const g = this.#plan.groupOf[i]!;
    const value = this.#valueOf(i, labels);
    if (keys[g] !== '' && Number.isFinite(value)) counter.add(time, this.#groups[g]!.table.add(keys[g]!), value);
  }

  /** Returns the end of the window of the earliest row that may follow a row of some time. */
  #endOfWindow(time: number): number {
    return time - 2 * this.#plan.toleranceMs;
  }

  /** Returns the time of the latest event of a counter. */
  clockOf(i: number): number {
    return this.#clocks?.[i] ?? this.#clock;
  }

  /** Returns the value that a row adds to a counter; NaN for none. */
  #valueOf(i: number, labels: CounterRow['labels']): number {
    const label = this.#plan.labelOf[i]!;
    return label < 0 ? 0 : labels[label]!;
  }

  /**
   * Returns the state as tensors.
   * @param content key of the content of all rows so far, 64 hexadecimal digits
   */
  save(content: string): CounterState {
    const times = Float64Array.of(this.#begin, this.#clock);
    const hash = new Uint8Array(Buffer.from(content, 'hex'));
    const tensors = new Map<string, StoredTensor>([
      ['times', { shape: [times.length], data: times }],
      ['content', { shape: [hash.length], data: hash }],
    ]);
    for (const [g, { table, counters }] of this.#groups.entries()) {
      const { texts, numbers } = this.#numberKeys(table, counters);
      for (const [name, tensor] of textTensors(textsFrom(texts), `keys.${g}`)) tensors.set(name, tensor);
      for (const i of counters)
        for (const [name, tensor] of this.#counters[i]!.save(numbers))
          tensors.set(`${this.#plan.specs[i]!.name}.${name}`, tensor);
    }
    return tensors;
  }

  /**
   * Numbers the keys of a group by their first events, as `restore` does, so that a restored state is stored bitwise
   * identically.
   */
  #numberKeys(
    table: EventKeys,
    counters: readonly number[],
  ): { readonly texts: readonly string[]; readonly numbers: Int32Array } {
    const texts: string[] = [];
    const numbers = new Int32Array(table.size).fill(-1);
    for (const i of counters)
      this.#counters[i]!.eachKey((key) => {
        if (numbers[key]! < 0) numbers[key] = texts.push(table.textOf(key)) - 1;
      });
    return { texts, numbers };
  }

  /**
   * Creates the counters of a state.
   * @param saved plan of the state; counters with other options than in it begin at zero
   */
  static restore(plan: CounterPlan, state: CounterState, saved = plan): CounterSet {
    const set = new CounterSet(plan);
    const continued = new Set(plan.continuedFrom(saved));
    ({ begin: set.#begin, clock: set.#clock } = readTimes(state));
    tensorOf(state, 'content');
    for (const { table, counters } of set.#groups) {
      const known = counters.filter((i) => continued.has(plan.names[i]!));
      if (known.length === 0) continue;
      const group = `keys.${saved.groupOf[saved.names.indexOf(plan.names[known[0]!]!)]}`;
      const pool = textsOfTensors(state, group);
      if (pool === undefined) throw tensorError(group, 'the tensors are missing');
      const texts = listStrings(pool);
      const ids = new Int32Array(texts.length).fill(-1);
      // Keys without events of these counters are not added.
      const idOf = (key: number): number => (ids[key]! < 0 ? (ids[key] = table.add(texts[key]!)) : ids[key]!);
      for (const i of known) set.#counters[i]!.restore((name) => tensorOf(state, `${plan.names[i]!}.${name}`), idOf);
    }
    return set;
  }
}

/** Creates the counters of a state; at zero without one. */
export function startSet(plan: CounterPlan, state: CounterState | undefined): CounterSet {
  return state === undefined ? new CounterSet(plan) : CounterSet.restore(plan, state);
}

/** Returns the times of the first and of the latest row of a state. */
export function readTimes(state: CounterState): { readonly begin: number; readonly clock: number } {
  const [begin, clock] = tensorOf(state, 'times');
  return { begin: begin!, clock: clock! };
}

/** Returns the key of the content of all rows of a state. */
export function readContent(state: CounterState): string {
  return Buffer.from(tensorOf(state, 'content')).toString('hex');
}

function tensorOf(state: CounterState, name: string): StoredTensor['data'] {
  const tensor = state.get(name);
  if (tensor === undefined) throw tensorError(name, 'the tensor is missing');
  const { data, shape } = tensor;
  if (
    shape.length !== 1 ||
    !(data instanceof Float64Array || data instanceof Uint32Array || data instanceof Uint8Array)
  )
    throw tensorError(
      name,
      `expected a vector of F64, U32 or U8, found ${data.constructor.name} of shape [${shape.join(', ')}]`,
    );
  return data;
}
