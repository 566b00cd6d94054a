import { countReader, instantReader, TIME_FORMATS } from '../features/wall-clock.js';

// Times of a row are label columns, which are 32-bit floats. A day and the seconds within it are exact to 1/128 s.

const DAY_MS = 86_400_000;
/** Day of a missing time. */
const MISSING_DAY = -(2 ** 23);

/** Name of the label column that is 1 in the first sample of a row, which trains tasks without delay. */
export const FIRST_COLUMN = 'delay.first';

/** Name of the column with the number of a sample among the samples of its row, in a stream. */
export const SAMPLE_COLUMN = 'delay.sample';

/** Formats the name of the label column in a batch with a column of a task's method. */
export function formatMethodColumn(task: string, column: string): string {
  return `tasks.${task}.delay.${column}`;
}

/** Names of the label columns with a time. */
export interface TimeColumns {
  readonly day: string;
  readonly second: string;
}

/** Returns the names of the label columns with a time of a task: the time of its click, or of its conversion. */
export function timeColumns(task: string, time: 'from' | 'event'): TimeColumns {
  return { day: `tasks.${task}.delay.${time}.day`, second: `tasks.${task}.delay.${time}.second` };
}

/** Reads one part of a time. @throws InvalidValueError */
export type ReadPart = (text: string) => number;

/** Functions that read the parts of a time. */
export interface TimeParts<Read> {
  readonly day: Read;
  readonly second: Read;
}

/** Creates functions that read the parts of a time; a missing time has a day of its own. */
export function timeParts(format: (typeof TIME_FORMATS)[number]): TimeParts<ReadPart> {
  const read = instantReader(format);
  return {
    day: (text) => (text === '' ? MISSING_DAY : dayOf(read(text))),
    second: (text) => (text === '' ? 0 : secondOf(read(text))),
  };
}

/** Creates functions that read the parts of a time that is a number; undefined for another format. */
export function countParts(format: (typeof TIME_FORMATS)[number]): TimeParts<(count: number) => number> | undefined {
  const read = countReader(format);
  return read && { day: (count) => dayOf(read(count)), second: (count) => secondOf(read(count)) };
}

function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

/** Returns the seconds within a day. */
function secondOf(timeMs: number): number {
  return (timeMs - dayOf(timeMs) * DAY_MS) / 1000;
}

/** Joins the parts of a time; returns milliseconds since 1970, undefined for a missing time. */
export function joinTime(day: number, second: number): number | undefined {
  return day === MISSING_DAY ? undefined : day * DAY_MS + Math.round(second * 1000);
}

/** Returns a time as label columns have it, in milliseconds since 1970: to about 1/128 s. */
export function storedTime(timeMs: number): number {
  return joinTime(dayOf(timeMs), Math.fround(secondOf(timeMs)))!;
}
