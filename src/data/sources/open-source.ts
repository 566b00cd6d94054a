import { userError } from '../../core/errors.js';
import type { DialectOptions } from '../dialect.js';
import type { Paths } from '../options.js';
import { openShards } from '../shards/reader.js';
import { openCellSource } from './cell-source.js';
import type { ComputedColumns } from './computed-columns.js';
import { findFiles } from './find-files.js';
import { openShardSource } from './shard-source.js';
import type { Source } from './source.js';

/**
 * Opens files of CSV, JSON Lines or Parquet, or a directory of shards, and finds the columns to read.
 * @param paths files, directories or globs
 * @param computed columns that are added to files
 * @throws UserError (data) for a source that cannot be read or lacks a column
 */
export async function openSource(
  paths: Paths,
  columns: readonly string[],
  dialect: DialectOptions = {},
  computed?: ComputedColumns,
): Promise<Source> {
  const each = [paths].flat();
  for (const path of each) {
    const shards = await openShards(path);
    if (shards === undefined) continue;
    if (each.length > 1)
      throw userError('data', {
        where: path,
        message: 'is a directory of shards, which cannot be combined with other paths',
        fix: 'use it as the only path',
      });
    return openShardSource(shards, columns);
  }
  return openCellSource(findFiles(paths), columns, dialect, computed);
}

/** Opens files, or a sample of their rows. */
export type OpenSource = typeof openSource;
