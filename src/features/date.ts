import { z } from 'zod';
import type { OptionsOf } from '../core/component.js';
import { embeddingWidth } from './embedded.js';
import { BadValue, type Encoding } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { missingOption, withMissing } from './missing.js';
import { isTimeZone, timeFormatOption, wallClockReader, type WallClock } from './wall-clock.js';

const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const numbers = (from: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => String(from + i));

/** Parts of a point in time: the names of their values, and the index of a value, from 0. */
const PARTS = {
  hour: { values: numbers(0, 24), of: ({ hour }: WallClock) => hour },
  weekday: { values: WEEKDAYS, of: ({ weekday }: WallClock) => weekday - 1 },
  day: { values: numbers(1, 31), of: ({ day }: WallClock) => day - 1 },
  month: { values: numbers(1, 12), of: ({ month }: WallClock) => month - 1 },
} as const;
type PartName = keyof typeof PARTS;
const partName = z.enum(Object.keys(PARTS) as PartName[]);

const options = () => ({
  width: embeddingWidth,
  parts: z
    .array(partName)
    .min(1)
    .default(['hour', 'weekday'])
    .describe('Parts to extract, each a field <name>_<part>: hour (0–23), weekday (Monday first), day of month, month'),
  format: timeFormatOption('Value format'),
  timeZone: z
    .string()
    .refine(isTimeZone, 'a time zone, such as UTC, Europe/Berlin or +02:00')
    .default('UTC')
    .describe('Time zone for hours and days, and for times without a zone'),
  fillMissing: missingOption,
});

/**
 * Points in time, split into periodic parts: each part is a field with its own table. A missing value is 0, the
 * out-of-vocabulary id.
 */
export const date = defineFieldGroup({
  name: 'date',
  summary: 'date or time: embedded hour, weekday, day or month',
  options,

  *check({ parts }) {
    for (const [i, part] of parts.entries())
      if (parts.indexOf(part) < i) yield { path: ['parts', i], message: `${part} is listed twice; remove one` };
  },

  build(column, { width, parts, format, timeZone, fillMissing: missing }: OptionsOf<ReturnType<typeof options>>) {
    const read = wallClockReader(format, timeZone);
    return parts.map((part) => {
      const name = `${column}_${part}`;
      return {
        name,
        columns: [column],
        owner: name,
        width,
        kind: 'id',
        ...withMissing(createEncoding(part, read, { format, timeZone }), missing),
      };
    });
  },
});

const NO_HOUR = new BadValue('a date with a time of day', 'correct the row, or remove hour from parts');

function createEncoding(
  part: PartName,
  read: (text: string) => WallClock,
  written: { readonly format: string; readonly timeZone: string },
): Encoding {
  const { values, of } = PARTS[part];
  const encode = (text: string): number => {
    if (text === '') return 0;
    const value = of(read(text));
    if (value === undefined) throw NO_HOUR;
    return 1 + value;
  };
  return {
    encodedAs: `a ${part}`,
    meaning: `a ${part}, ${written.format}, ${written.timeZone}`,
    encoder: () => ({
      rows: 1 + values.length,
      rule: { kind: 'time', part, ...written, values, empty: 0, cells: 1 },
      encode,
    }),
  };
}
