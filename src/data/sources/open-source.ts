import type { DialectOptions } from '../dialect.js';
import { openShards } from '../shards/reader.js';
import { openCellSource } from './cell-source.js';
import { openShardSource } from './shard-source.js';
import type { Source } from './source.js';

/**
 * Opens a source, a CSV, Parquet or a folder of shards, and finds the columns that are read.
 * @param dialect what is said of a text file
 * @throws UserError (data) for one that cannot be read or lacks a column
 */
export async function openSource(path: string, columns: readonly string[], dialect: DialectOptions = {}): Promise<Source> {
  const shards = await openShards(path);
  return shards === undefined ? openCellSource(path, columns, dialect) : openShardSource(shards, columns);
}
