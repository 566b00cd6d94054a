import { z } from 'zod';
import type { Batch } from '../core/batch.js';
import { stabilityIndex } from '../core/stability-index.js';

/** Groups of values: ids below 32 by themselves, others by their remainder modulo 32, and lists without items. */
const [OWN_IDS, NO_ITEM, NUM_GROUPS] = [32, 64, 65];
/** Groups of numbers: zero, and by sign and octave from 2^-8 to 2^6. */
const [MIN_EXPONENT, MAX_EXPONENT] = [-8, 6];
const NUM_OCTAVES = MAX_EXPONENT - MIN_EXPONENT + 1;
/**
 * Share of the windows before that remains when a window ends: the share of a mean of 5 windows in all but the newest.
 */
const KEPT_SHARE = 0.8;

/** Values of a field by group: in the current window, and in those before it, where older ones count less. */
export const fieldGroupsSchema = z.strictObject({ window: z.array(z.number()), before: z.array(z.number()) });
export type FieldGroups = z.output<typeof fieldGroupsSchema>;

/** How far the values of a field in a window are from those in the windows before. */
export interface Drift {
  /** Population stability index of the field. */
  readonly index: number;
  /**
   * Its expectation if nothing changed: (groups − 1) (1/n + 1/m) for n and m values (Yurdakul and Naranjo 2020,
   * Statistical properties of the population stability index).
   */
  readonly noise: number;
}

/** Measures the drift of the encoded values of each field of a stream, except vectors, by window. */
export class FieldDrift {
  readonly #fields: Record<string, FieldGroups>;
  readonly #names: readonly string[];

  /**
   * @param fields restored, and updated in place
   * @param names fields to measure; vectors are skipped
   */
  constructor(fields: Record<string, FieldGroups>, names: readonly string[]) {
    [this.#fields, this.#names] = [fields, names];
  }

  /** Adds the rows of a batch to the current window. */
  add({ rows, columns }: Batch): void {
    for (const name of this.#names) {
      const field = columns.get(name)!;
      if (field.type !== 'list' && field.width > 1) continue;
      const groups = this.#groupsOf(name);
      if (field.type === 'u32') countIds(groups, field.data, rows);
      else if (field.type === 'list') {
        const { offsets, ids } = field;
        countIds(groups, ids, offsets[rows]!);
        for (let row = 0; row < rows; row++) if (offsets[row] === offsets[row + 1]) groups[NO_ITEM]!++;
      } else if (field.type === 'f32') countNumbers(groups, field.data, rows);
    }
  }

  /** Ends a window. Returns the drift of each field; none after the first window. */
  finish(): ReadonlyMap<string, Drift> {
    const drifts = new Map<string, Drift>();
    for (const [field, groups] of Object.entries(this.#fields)) {
      const { window, before } = groups;
      if (sum(before) > 0 && sum(window) > 0) drifts.set(field, measure(window, before));
      groups.before = before.map((count, group) => KEPT_SHARE * count + window[group]!);
      groups.window = window.map(() => 0);
    }
    return drifts;
  }

  #groupsOf(field: string): number[] {
    const empty = (): number[] => new Array<number>(NUM_GROUPS).fill(0);
    return (this.#fields[field] ??= { window: empty(), before: empty() }).window;
  }
}

function measure(window: readonly number[], before: readonly number[]): Drift {
  const groups = window.map((count, group) => [count, before[group]!] as const);
  const used = groups.filter(([now, earlier]) => now + earlier > 0).length;
  return { index: stabilityIndex(groups), noise: (used - 1) * (1 / sum(window) + 1 / sum(before)) };
}

function countIds(groups: number[], ids: Uint32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    groups[id < OWN_IDS ? id : OWN_IDS + (id % OWN_IDS)]!++;
  }
}

function countNumbers(groups: number[], numbers: Float32Array, rows: number): void {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, rows);
  for (let row = 0; row < rows; row++) {
    const word = bits[row]!;
    const exponent = Math.min(MAX_EXPONENT, Math.max(MIN_EXPONENT, ((word >>> 23) & 0xff) - 127));
    const octave = 1 + exponent - MIN_EXPONENT + (word >>> 31) * NUM_OCTAVES;
    groups[numbers[row] === 0 ? 0 : octave]!++;
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
