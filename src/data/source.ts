import type { Fitted } from '../features/features.js';
import { openCellSource } from './cell-source.js';
import type { Cache } from './cache.js';
import type { Dataset } from './dataset.js';
import type { RejectPolicy } from './rejects.js';
import type { EncodedFormat, RowFormat } from './row-format.js';
import { openShardSource } from './shard-source.js';
import { openShards } from './shards/reader.js';

/** How far reading is. */
export interface ReadProgress {
  /** What is being done, for people. */
  readonly what: string;
  readonly share: number;
}

/** What all reading of a run has in common. */
export interface Reading {
  readonly policy: RejectPolicy;
  readonly cache?: Cache;
  readonly onProgress?: (progress: ReadProgress) => void;
  /** Threads that encode a large file; one a core where it is not given. What comes of it is the same. */
  readonly threads?: number | undefined;
  /** Aborted to give up; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Where rows come from: opened, and known to have the wanted columns. */
export interface Source {
  readonly path: string;
  /**
   * Learns vocabularies and scales from the rows that will be trained on, or takes what an earlier run learned from the same.
   * @throws UserError (data)
   */
  fit(format: RowFormat, reading: Reading): Promise<Fitted>;
  /**
   * The rows as a data set.
   * @throws UserError (data) for a row that the policy does not let pass, and for a source without a usable row; (disk)
   */
  dataset(format: EncodedFormat, reading: Reading): Promise<Dataset>;
}

/**
 * Opens a source, a CSV, Parquet or a folder of shards, and finds the columns that are read.
 * @throws UserError (data) for one that cannot be read or lacks a column
 */
export async function openSource(path: string, columns: readonly string[]): Promise<Source> {
  const shards = await openShards(path);
  return shards === undefined ? openCellSource(path, columns) : openShardSource(shards, columns);
}
