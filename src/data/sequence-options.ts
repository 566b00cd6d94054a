import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/conditions.js';
import { checkSideDialects, sideDialectShape } from './dialect.js';
import { timeColumn, type JoinOptions } from './join-options.js';

const logOptions = z.strictObject({
  file: z.string().min(1).optional().describe('File, directory or glob of the events: CSV, JSON Lines or Parquet'),
  of: columnName
    .optional()
    .describe('Label, or event of data.join: the events are the rows of the data that have 1; replaces file'),
  key: columnName.describe('Column with the user, in the events and in the rows; compared as text'),
  time: columnName
    .optional()
    .describe('Column with the time of each event; default for an event of data.join: its time'),
  until: columnName.describe('Column of the rows with their time: events of that time or later are not read'),
  per: z
    .enum(['event', 'user'])
    .default('event')
    .describe('Content of a row of the file: an event, or a user with a list per column'),
  ...sideDialectShape,
});
type LogOptions = z.output<typeof logOptions>;

/** The `sequences` section of `data`. */
export const sequencesOptions = z
  .record(z.string().regex(/^[\p{L}_][\p{L}\p{N}_]*$/u, 'a name of letters, digits and _, such as clicks'), logOptions)
  .describe('Event logs by name, whose columns are the items of sequences; each event is stored once');
export type SequencesOptions = z.output<typeof sequencesOptions>;

/** An event log in files of its own. */
export type FileLogOptions = LogOptions & { readonly file: string; readonly time: string };

/** Histories whose events are rows of the data. */
export interface HistoryOptions {
  /** Column that is 1 in the rows that are events. */
  readonly of: string;
  readonly key: string;
  readonly time: string;
  readonly until: string;
}

/** Returns the event logs in files of their own, by name. */
export function fileLogs(options: SequencesOptions = {}): Readonly<Record<string, FileLogOptions>> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, own]) => {
      const { file, time } = own;
      return file === undefined || time === undefined ? [] : [[name, { ...own, file, time }]];
    }),
  );
}

/** Returns the histories whose events are rows of the data, by name. */
export function rowHistories(options: SequencesOptions = {}): Readonly<Record<string, HistoryOptions>> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, { of, key, time, until }]) =>
      of === undefined ? [] : [[name, { of, key, time: time ?? timeColumn(of), until }]],
    ),
  );
}

/** Keys that describe a file. */
const FILE_KEYS = Object.keys(sideDialectShape) as (keyof typeof sideDialectShape)[];

/** Reports logs with no source or two, and times that are unknown; the paths start below the section. */
export function* checkSequences(options: SequencesOptions, join: JoinOptions | undefined): Generator<ValidationIssue> {
  yield* checkSideDialects(options);
  for (const [name, own] of Object.entries(options)) {
    const { file, of, time } = own;
    const isJoined = of !== undefined && join !== undefined && Object.hasOwn(join.events, of);
    if ((file === undefined) === (of === undefined))
      yield {
        path: [name],
        message: file === undefined ? 'expected file or of; set one' : 'expected file or of, found both; remove one',
      };
    if (time === undefined && !isJoined)
      yield { path: [name], message: 'expected time; set it to the column with the time of each event' };
    if (of === undefined) continue;
    if (isJoined && time !== undefined && time !== timeColumn(of))
      yield { path: [name, 'time'], message: `is not the time of the event ${of}; remove it` };
    if (own.per === 'user')
      yield { path: [name, 'per'], message: 'applies to a file; remove it, since rows are events' };
    for (const key of FILE_KEYS)
      if (own[key] !== undefined)
        yield { path: [name, key], message: 'applies to a file; remove it, since rows have the format of data' };
  }
}
