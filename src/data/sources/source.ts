import type { ProcessGroup } from '../../core/process-group.js';
import type { Fitted } from '../../features/feature-types.js';
import type { Cache } from '../cache/cache.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import type { Dataset } from '../batches/dataset.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { EncodedFormat, RowFormat } from '../rows/row-format.js';

/** How far reading is. */
export interface ReadProgress {
  /** What is being done, for people. */
  readonly what: string;
  readonly share: number;
}

/** What all use of a run's sources has in common. */
export interface Access {
  readonly cache?: Cache;
  /** Whether to verify cached rows against the file contents, even if size, times and inode match. Default: false. */
  readonly verifyData?: boolean | undefined;
  readonly onProgress?: ((progress: ReadProgress) => void) | undefined;
  /** Aborted to give up; its reason is thrown. */
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

/** The same where rows are read. */
export interface Reading extends Access {
  readonly policy: RejectPolicy;
  /**
   * Where several processes ask for the same, which they all do in the same order: what is kept of files is made side
   * by side.
   */
  readonly sharing?: Sharing;
  /** Told what should be known of the rows, though it is no error. */
  readonly onWarning?: (text: string) => void;
  /** Threads that encode a large file; one a core where it is not given. What comes of it is the same. */
  readonly threads?: number | undefined;
  /** Whether nothing else is read from the source, so that streams are not kept. Default: false. */
  readonly isOnlyRead?: boolean;
  /** Whether rows of a single file are kept in numbers of its own too, since it may be one of several the next time. */
  readonly keepsLocalRows?: boolean;
}

/** Where rows come from: opened, and known to have the wanted columns. */
export interface Source {
  /** The file or folder; of several files, the folder that all of them lie below. */
  readonly path: string;
  /** The paths of its files, as far as there are some that a user would know. */
  readonly files: readonly string[];
  /** Whether the rules of a format decide which of its rows are kept; else all are. */
  readonly takesRules: boolean;
  /** Names of all columns that it has. */
  readonly columns: readonly string[];
  /**
   * What it holds, to be kept and compared with `isSameContent` later. Costs nothing once `dataset` was called, or
   * where the
   * cache knows the file and it was not touched since; else the file is read for it.
   * @throws UserError (data) for a file that changes meanwhile
   */
  fingerprint(access: Access): Promise<Fingerprint>;
  /**
   * Learns vocabularies and scales from the rows that will be trained on, or takes what an earlier run learned from the
   * same.
   * @throws UserError (data)
   */
  fit(format: RowFormat, reading: Reading): Promise<Fitted>;
  /**
   * The rows as a data set.
   * @throws UserError (data) for a row that the policy does not let pass, and for a source without a usable row; (disk)
   */
  dataset(format: EncodedFormat, reading: Reading): Promise<Dataset>;
  /**
   * Encodes all rows once, in order, and stores nothing. A source may have no row.
   * @param kept columns whose texts are kept
   * @throws UserError (data) for an invalid row that the policy does not skip
   */
  stream(format: EncodedFormat, kept: readonly string[], reading: Reading): AsyncGenerator<EncodedBatch>;
}

/** Returns a source that differs from another one in some methods. */
export function wrapSource(source: Source, methods: Partial<Pick<Source, 'fit' | 'dataset' | 'stream'>>): Source {
  const { path, files, takesRules, columns } = source;
  return {
    path,
    files,
    takesRules,
    columns,
    fingerprint: (access) => source.fingerprint(access),
    fit: (format, reading) => source.fit(format, reading),
    dataset: (format, reading) => source.dataset(format, reading),
    stream: (format, kept, reading) => source.stream(format, kept, reading),
    ...methods,
  };
}
