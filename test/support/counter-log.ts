import fc from 'fast-check';
import { parseDuration } from '../../src/core/duration.js';
import { countersOptions } from '../../src/data/counter-options.js';

// Logs, and their counters by a definition that looks at every earlier event of every row.

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A row of a log; a missing label is undefined. */
export interface LogRow {
  readonly time: number;
  readonly item: string;
  readonly user: string;
  readonly click: number | undefined;
}

export const COUNT = {
  shows: { by: 'item', within: '1d' },
  clicks: { by: 'item', of: 'click', within: '1d' },
  exact: { by: 'item', of: 'click', within: '6h', resolution: '1s', delay: '0s' },
  ctr: { by: ['user', 'item'], of: 'click', within: '2d', resolution: '3h', rate: { prior: 5 } },
};
export const NAMES = Object.keys(COUNT);

export const counters = (given: object = {}) =>
  countersOptions.parse({ time: 'time', format: 'seconds', delay: '2h', count: COUNT, ...given });

/**
 * Computes the counters of each row by the definition, which looks at all rows at their own times, in whatever order
 * they are.
 */
export function oracle(rows: readonly LogRow[], options = counters(), tolerance = 0): number[][] {
  return rows.map((row) =>
    Object.values(options.count).map(({ by, of, within, delay, resolution, rate }) => {
      const now = row.time - tolerance;
      const withinMs = parseDuration(within);
      const slotMs = resolution === undefined ? withinMs / 64 : parseDuration(resolution);
      const delayMs = parseDuration(delay ?? (of === undefined ? '0s' : options.delay));
      const prior = rate?.prior;
      const keyOf = (each: LogRow): string => {
        const texts = [by].flat().map((name) => each[name as 'item' | 'user']);
        return texts.includes('') ? '' : texts.join('|');
      };
      const events = rows.flatMap((event) => {
        const value = of === undefined ? 0 : event.click;
        const at = event.time;
        const counts = at + delayMs < now && Math.floor(at / slotMs) >= Math.floor((now - withinMs) / slotMs);
        return counts && value !== undefined && keyOf(event) !== '' ? [{ key: keyOf(event), value }] : [];
      });
      const own = events.filter(({ key }) => key === keyOf(row));
      const sum = (of: typeof events): number => sumExactly(of.map(({ value }) => value));
      if (prior === undefined) return of === undefined ? own.length : Math.fround(sum(own));
      const mean = events.length === 0 ? 0 : sum(events) / events.length;
      return Math.fround((sum(own) + prior * mean) / (own.length + prior));
    }),
  );
}

/** Returns the exact sum of numbers, rounded once, with integers of any size. */
export function sumExactly(values: readonly number[]): number {
  const parts = values.filter((value) => value !== 0).map(toFraction);
  const exponent = Math.min(0, ...parts.map((part) => part.exponent));
  const total = parts.reduce((sum, part) => sum + (part.integer << BigInt(part.exponent - exponent)), 0n);
  return toNumber(total, exponent);
}

/** Returns integers for which a number is `integer * 2 ** exponent`. */
function toFraction(value: number): { readonly integer: bigint; readonly exponent: number } {
  let [integer, exponent] = [value, 0];
  for (; !Number.isInteger(integer); exponent--) integer *= 2;
  return { integer: BigInt(integer), exponent };
}

/** Rounds `integer * 2 ** exponent` to the nearest number: `Number` rounds an integer so, and to even for a tie. */
function toNumber(integer: bigint, exponent: number): number {
  const size = integer < 0n ? -integer : integer;
  // 80 bits, and one that is set if any of the others is, decide how a number of 53 bits is rounded.
  const dropped = BigInt(Math.max(0, size.toString(2).length - 80));
  const rest = (size >> dropped) << dropped === size ? 0n : 1n;
  const rounded = (Number(((size >> dropped) << 1n) | rest) / 2) * 2 ** (exponent + Number(dropped));
  return integer < 0n ? -rounded : rounded;
}

const logRow = fc.record({
  gap: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 * 3600 }), fc.constant(30 * 3600)),
  item: fc.constantFrom('a', 'b', 'c', ''),
  user: fc.constantFrom('u', 'v', ''),
  click: fc.constantFrom(0, 1, 1, undefined),
});
export const logs = fc.array(logRow, { minLength: 1, maxLength: 60 }).map((rows) => {
  let time = 1_750_000_000_000;
  return rows.map(({ gap, ...row }): LogRow => ({ ...row, time: (time += gap * 1000) }));
});

/** A log of 3 days with 40 items in order of time, with rows of equal times. */
export const LOG = Array.from({ length: 600 }, (_, i): LogRow => ({
  time: 1_750_000_000_000 + Math.floor(i / 3) * 1_259_000,
  item: `i${(i * 7919) % 13}`,
  user: `u${(i * 104_729) % 5}`,
  click: (i * 31) % 17 === 0 ? undefined : Number((i * 37) % 5 === 0),
}));
