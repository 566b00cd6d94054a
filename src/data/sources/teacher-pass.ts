import type { Column } from '../../chunks/column.js';
import { emptyBlock } from '../../chunks/row-block.js';
import { quoted, UserError, userError } from '../../core/errors.js';
import { shortestDecimal } from '../../text/float-text.js';
import { recipe, type Cache } from '../cache/cache.js';
import {
  computedColumns,
  type ColumnNames,
  type ComputeColumns,
  type ComputedColumns,
} from '../computed/computed-columns.js';
import {
  refuseShards,
  storedValueColumns,
  valueBatch,
  valueStorage,
  type CreateColumn,
  type StoredPart,
} from '../computed/stored-columns.js';
import type { DialectOptions } from '../dialect.js';
import { replayRejects, writeCacheFolder, type CacheFolder } from '../encoding/write-rows.js';
import type { Paths } from '../options.js';
import { encodeRows } from '../pipeline.js';
import { keyOf, type Fingerprint } from '../readers/fingerprint.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import { columnsOf, type EncodedFormat } from '../rows/row-format.js';
import { encodingThreads } from './cached-rows.js';
import { CellPart, openFile, reportShare } from './cell-part.js';
import { CellParts } from './cell-parts.js';
import { findFiles } from './find-files.js';
import type { Reading } from './source.js';

/** Scores rows in their order. */
export interface RowScorer {
  /** Format of the rows, without labels. */
  readonly format: EncodedFormat;
  /** Returns the probabilities of each column for all rows and invalid lines, NaN for those that it cannot score. */
  score(rows: EncodedBatch): Promise<{ readonly rows: number; readonly predictions: readonly Float32Array[] }>;
  dispose(): void;
}

/** A teacher. */
export interface Teacher {
  /** Name for messages. */
  readonly name: string;
  /** Key of everything that determines its probabilities, besides the rows. */
  readonly key: string;
  /** Computes the counters that it reads, if any. */
  readonly counters?: ComputeColumns | undefined;
  /** Loads it; called if the probabilities of a file are not stored. */
  open(): Promise<RowScorer>;
}

/** A teacher and the columns with its probabilities. */
export interface TeacherOptions {
  readonly columns: readonly string[];
  /** Key of the config. */
  readonly key: string;
  readonly dialect: DialectOptions;
  /** Finds the teacher; called before the first row is read. */
  find(): Promise<Teacher>;
}

/** A teacher that scores the rows of files. */
interface Scoring {
  readonly teacher: Teacher;
  readonly counters: ComputedColumns | undefined;
  /** Loads it once. */
  open(): Promise<RowScorer>;
}

/** Maximum number of rows of a part whose problem is stored. */
const MAX_PROBLEMS = 10_000;
/** Skips rows that a teacher cannot score: they matter if a student reads them. */
const SKIP_ALL: RejectPolicy = { count: 0, reject: () => undefined };

/**
 * Probabilities of a teacher for the rows of the training files, which are scored once. Validation and test sets have
 * none: their losses compare with labels only.
 */
export class TeacherPass {
  readonly #options: TeacherOptions;
  readonly #names: ColumnNames;
  readonly #ownCache: Cache = {};

  constructor(options: TeacherOptions) {
    this.#options = options;
    this.#names = { names: options.columns, origin: 'a computed column', renaming: () => 'rename the column' };
  }

  /** Returns the columns of a split; a teacher scores each part of the training files. */
  readonly compute: ComputeColumns = async (paths, split) => {
    const empty = this.#names.names.map((): Column => ({ type: 'number', text: () => '' }));
    if (split !== 'train') return computedColumns(this.#names, () => ({ next: () => empty }));
    const { key, dialect } = this.#options;
    await refuseShards(paths, key);
    const opening = { columns: [], dialect, ownCache: this.#ownCache };
    const { all } = await CellParts.open(findFiles(paths), opening);
    const parts = all.map((part): StoredPart => ({ part, content: '', folder: '' }));
    return storedValueColumns(this.#names, parts, {
      prepare: (reading) => this.#scoreAll(paths, parts, reading),
      columnsOf: (path, stored) => this.#columnsOf(path, stored),
    });
  };

  async #scoreAll(paths: Paths, parts: readonly StoredPart[], reading: Reading): Promise<void> {
    if (parts.every(({ folder }) => folder !== '')) return;
    const teacher = await this.#options.find();
    const counters = await teacher.counters?.(paths, 'train');
    await counters?.prepare(reading);
    const score = async (): Promise<void> => {
      let scorer: RowScorer | undefined;
      const open = async (): Promise<RowScorer> => (scorer ??= await teacher.open());
      try {
        for (const stored of parts) await this.#scorePart(stored, { teacher, counters, open }, reading);
      } finally {
        scorer?.dispose();
      }
    };
    await (reading.sharing?.peers.rankZeroFirst(score) ?? score());
  }

  async #scorePart(stored: StoredPart, { teacher, counters, open }: Scoring, reading: Reading): Promise<void> {
    const { part } = stored;
    const { columns } = this.#options;
    part.keepStream(reading);
    const keys = [teacher.key, ...part.files.map(({ path }) => counters?.keyOf(path) ?? '')];
    const own = recipe('scores', [columns, ...part.recipe], keys);
    stored.folder = await part.cached('scores', own, reading, async (path, entry) => {
      const scorer = await open();
      const target = { path, source: part.path, columns: valueStorage(columns), entry };
      await this.#writePart(await this.#reopen(part, scorer, { teacher, counters }), scorer, target, reading);
    });
    stored.content = keyOf(keys, columns);
  }

  /** Opens the files of a part with the columns that a teacher reads. */
  async #reopen(
    { files }: CellPart,
    { format }: RowScorer,
    { teacher: { name }, counters: computed }: Omit<Scoring, 'open'>,
  ): Promise<CellPart> {
    const { dialect } = this.#options;
    const opening = { columns: columnsOf(format), dialect, ownCache: this.#ownCache, computed };
    try {
      const opened = [];
      for (const file of files) opened.push(await openFile(file, opening));
      return new CellPart(opened, this.#ownCache);
    } catch (error) {
      if (!(error instanceof UserError) || error.kind !== 'data') throw error;
      const problems = error.problems.map((problem) => ({
        ...problem,
        message: `${problem.message} (read for the teacher ${name})`,
        fix: `add the columns that ${name} was trained on, or use another teacher`,
      }));
      throw new UserError('data', problems, { cause: error });
    }
  }

  /** Scores the files of a part. */
  #writePart(part: CellPart, scorer: RowScorer, target: CacheFolder<Fingerprint>, reading: Reading): Promise<void> {
    const { columns } = this.#options;
    const threads = encodingThreads(part, reading);
    const onShare = (share: number): void => reportShare(reading, `scoring ${part.path} with the teacher`, share);
    let numProblems = 0;
    return writeCacheFolder(target, SKIP_ALL, async (policy, writer) => {
      for (const [file, rows] of part.rows.entries()) {
        if (file > 0) await writer.add(emptyBlock(), [0]);
        for await (const batch of encodeRows(rows, scorer.format, { threads, onShare, onWarning: reading.onWarning })) {
          for (const row of batch.rejects) if (++numProblems <= MAX_PROBLEMS) policy.reject(row);
          const scored = await scorer.score(batch);
          await writer.add(valueBatch(columns, scored.predictions, scored.rows), []);
        }
      }
      return { read: await part.hash(reading), leftOut: new Map(), sizes: new Map() };
    });
  }

  /** Returns a function that creates a column of probabilities; the text of one that is not known throws. */
  async #columnsOf(path: string, { part, folder }: StoredPart): Promise<CreateColumn> {
    const problems = new Map<number, BadRow>();
    const noting: RejectPolicy = {
      count: 0,
      reject(row) {
        if (row.path === path) problems.set(row.line, row);
      },
    };
    await replayRejects(folder, part.path, noting);
    const { name } = await this.#options.find();
    return (values, { lines }, firstLine): Column => ({
      type: 'number',
      text: (row) => {
        const value = values[row]!;
        if (!Number.isNaN(value)) return String(shortestDecimal(value));
        const line = firstLine + (lines?.[row] ?? row);
        throw unscoredRow(`${path}:${line}`, name, problems.get(line));
      },
    });
  }
}

function unscoredRow(where: string, teacher: string, problem: BadRow | undefined): Error {
  const { column, expected = 'a row with a finite prediction', value } = problem ?? {};
  const found = value === undefined ? '' : `, found ${quoted(value)}`;
  return userError('data', {
    where,
    ...(column !== undefined && { key: `column ${quoted(column)}` }),
    message: `the teacher ${teacher} cannot score the row: expected ${expected}${found}`,
    fix: 'correct the row, exclude it with data.where, or use a teacher that reads it',
  });
}
