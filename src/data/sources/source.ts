import type { ProcessGroup } from '../../core/process-group.js';
import type { Fitted } from '../../features/feature-types.js';
import type { Cache } from '../cache/cache.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import type { ParquetSchema } from '../readers/cell-file.js';
import type { Dataset } from '../batches/dataset.js';
import type { ReadOptions } from '../pipeline.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { EncodedFormat, RowFormat } from '../rows/row-format.js';

/** Progress of a read. */
export interface ReadProgress {
  /** Description of the work, for messages. */
  readonly what: string;
  readonly share: number;
}

/** Options of every access to a source. */
export interface Access {
  readonly cache?: Cache;
  /** Whether to verify cached rows against the file contents, even if size, times and inode match. Default: false. */
  readonly verifyData?: boolean | undefined;
  readonly onProgress?: ((progress: ReadProgress) => void) | undefined;
  /** Aborts reading; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Processes that read the same rows at the same time. */
export interface Sharing {
  readonly peers: ProcessGroup;
  /**
   * Policy for invalid rows in files that one process reads for all; they are reported when all rows pass in order.
   */
  readonly policy: RejectPolicy;
}

/** Options of reading rows. */
export interface Reading extends Access {
  readonly policy: RejectPolicy;
  /** Ranks that call the same methods in the same order: they create cache entries in parallel. */
  readonly sharing?: Sharing;
  /** Receives warnings about the rows. */
  readonly onWarning?: (text: string) => void;
  /** Number of threads that encode a large file, which does not affect the result; default: one per core. */
  readonly threads?: number | undefined;
  /** Whether a training set with delayed labels becomes the stream of its samples. Default: false. */
  readonly isReplayed?: boolean;
  /** Whether nothing else is read from the source, so that streams are not kept. Default: false. */
  readonly isOnlyRead?: boolean;
  /** Whether raw rows of a single file are cached, since files may be added. Default: false. */
  readonly keepsLocalRows?: boolean;
}

export interface StreamReading extends Reading, ReadOptions {
  /** Whether the kept text of a list has its items; if not, it only shows whether it is `[]`. Default: true. */
  readonly keepsItems?: boolean;
  /** Whether values are also kept in the type of their file. Default: false. */
  readonly keepsTypes?: boolean;
}

/** Opened data with the required columns. */
export interface Source {
  /** Path of the file or directory; of several files, their common directory. */
  readonly path: string;
  /** Paths of its files; none for shards. */
  readonly files: readonly string[];
  /** Whether filters, splits and label rules of a format apply; otherwise all rows are used. */
  readonly takesRules: boolean;
  /** Names of all columns. */
  readonly columns: readonly string[];
  /**
   * Returns the types of columns in all files; undefined for values without a declared type.
   * @throws UserError (data) for a column whose type differs between files
   */
  typesOf(columns: readonly string[]): readonly (ParquetSchema | undefined)[];
  /**
   * Returns the content, for comparison with `isSameContent`. Files are hashed unless `dataset` was called, or the
   * cache has the content of files with these stats.
   * @throws UserError (data) if a file changes meanwhile
   */
  fingerprint(access: Access): Promise<Fingerprint>;
  /**
   * Fits vocabularies and scales on the training rows, or returns the fits of an earlier run on the same rows.
   * @throws UserError (data)
   */
  fit(format: RowFormat, reading: Reading): Promise<Fitted>;
  /**
   * Returns the rows as a data set.
   * @throws UserError (data) for an invalid row that the policy does not skip, and if there is no valid row; (disk)
   */
  dataset(format: EncodedFormat, reading: Reading): Promise<Dataset>;
  /**
   * Encodes all rows once, in order, or those after the cursor, and stores nothing. A source may have no row.
   * @param kept columns whose texts are kept
   * @throws UserError (data) for an invalid row that the policy does not skip
   */
  stream(format: EncodedFormat, kept: readonly string[], reading: StreamReading): AsyncGenerator<EncodedBatch>;
  /**
   * Returns the source with a `stream` of about `limit` of its rows, spread evenly; the others are read and checked.
   * Undefined if there are no more rows than that. Sources that take rules are sampled by `createRowSampler`.
   */
  sample?(limit: number): Source | undefined;
}

/** Returns a source that differs from another one in some methods. */
export function wrapSource(source: Source, methods: Partial<Pick<Source, 'fit' | 'dataset' | 'stream'>>): Source {
  const { path, files, takesRules, columns } = source;
  return {
    path,
    files,
    takesRules,
    columns,
    typesOf: (names) => source.typesOf(names),
    fingerprint: (access) => source.fingerprint(access),
    fit: (format, reading) => source.fit(format, reading),
    dataset: (format, reading) => source.dataset(format, reading),
    stream: (format, kept, reading) => source.stream(format, kept, reading),
    ...methods,
  };
}
