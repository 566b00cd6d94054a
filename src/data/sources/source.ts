import type { Fitted } from '../../features/feature-types.js';
import type { Cache } from '../cache/cache.js';
import type { Dataset } from '../batches/dataset.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { EncodedFormat, RowFormat } from '../rows/row-format.js';

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
