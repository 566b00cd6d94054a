import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ChunkRows } from '../../chunks/chunk.js';
import { userError } from '../../core/errors.js';
import { createCleaner, type CellOptions } from '../../features/cells.js';
import { eventTest } from '../../features/event-test.js';
import { BadValue } from '../../features/feature.js';
import { parseDialect, type DialectOptions } from '../dialect.js';
import { SPLITS, type DataOptions, type Paths } from '../options.js';
import { isStream } from '../readers/data-stream.js';
import { filterColumns, startFilter } from '../rows/row-filter.js';
import { MANIFEST } from '../shards/manifest.js';
import type { FileLogOptions, HistoryOptions } from '../sequence-options.js';
import { findFiles, formatPaths, type DataFile } from './find-files.js';

/** The files of an event log, and which of their rows are events. */
export interface EventRows extends Pick<FileLogOptions, 'key' | 'time' | 'until' | 'per'> {
  /** Name of the files in messages. */
  readonly path: string;
  readonly files: readonly DataFile[];
  readonly dialect: DialectOptions;
  /** Columns that select events. */
  readonly columns: readonly string[];
  /** All that selects events, except the files. JSON, for cache keys. */
  readonly selection: object;
  /** Whether invalid rows are not events, rather than errors. */
  readonly isSkipping: boolean;
  /**
   * Excludes the rows of a chunk that are not events.
   * @param line number of its first line
   */
  exclude(rows: ChunkRows, line: number): void;
  /**
   * Refuses or excludes rows without a key.
   * @param keys by row, empty without one
   */
  checkKeys(rows: ChunkRows, keys: readonly string[]): void;
}

const NO_KEY = new BadValue('a key', 'remove the row, or add its key');
const [NO_EVENT, NO_USER] = ['not an event', 'no user'];

/**
 * Finds the files of an event log that has files of its own, whose rows are all events.
 * @throws UserError (data) for files that do not exist
 */
export function rowsOfFile(log: FileLogOptions): EventRows {
  const { file, key } = log;
  return {
    ...log,
    path: file,
    // Names of directories are not columns of events.
    files: findFiles(file).map((each) => ({ ...each, constants: new Map() })),
    dialect: parseDialect(log),
    columns: [],
    selection: {},
    isSkipping: false,
    exclude: () => undefined,
    checkKeys: (rows, keys) =>
      rows.eachKept([key], (row) => {
        if (keys[row] === '') throw NO_KEY;
      }),
  };
}

/**
 * Finds the files of the data sets, of whose rows some are events.
 * @param name of the log
 * @param cells cleaning of all columns
 * @throws UserError (data) for files that do not exist or cannot be read twice; (config) for labels that wait for
 * events
 */
export function rowsOfSets(
  name: string,
  history: HistoryOptions,
  data: Partial<DataOptions>,
  cells: CellOptions,
): EventRows {
  if (data.join !== undefined)
    throw userError('config', {
      key: `data.sequences.${name}.of`,
      message: 'selects rows whose events are joined from logs that grow',
      fix: 'train with --follow, whose checkpoints have the events',
    });
  const { of } = history;
  const where = data.where && { where: data.where };
  const filter = where && startFilter(where, cells);
  const isSkipping = data.onBadRow === 'skip';
  return {
    ...history,
    per: 'event',
    path: formatPaths(setPaths(data)),
    files: findSetFiles(data),
    dialect: parseDialect(data),
    columns: [of, ...(where === undefined ? [] : filterColumns(where))],
    selection: { of, ...where, isSkipping },
    isSkipping,
    exclude(rows, line) {
      filter?.(rows, line);
      const isEvent = eventTest(rows.column(of), createCleaner(cells));
      for (let row = 0; row < rows.count; row++) if (rows.isKept(row) && !isEvent(row)) rows.exclude(row, NO_EVENT);
    },
    checkKeys: (rows, keys) => {
      for (let row = 0; row < rows.count; row++) if (keys[row] === '' && rows.isKept(row)) rows.exclude(row, NO_USER);
    },
  };
}

function setPaths({ source, ...sets }: Partial<DataOptions>): Paths {
  return source ?? SPLITS.flatMap((split) => sets[split] ?? []);
}

/** Finds the files of the sets, in their order; a file of several sets is listed once. */
function findSetFiles(data: Partial<DataOptions>): readonly DataFile[] {
  const files = [setPaths(data)].flat().flatMap((path) => {
    if (isStream(path) || existsSync(join(path, MANIFEST)))
      throw userError('data', {
        where: path,
        message: `is ${isStream(path) ? 'read once' : 'a directory of shards'}, but its rows are also events`,
        fix: 'use CSV, JSON Lines or Parquet files; or train with --follow',
      });
    return findFiles(path);
  });
  return [...new Map(files.map((file) => [file.path, file])).values()];
}
