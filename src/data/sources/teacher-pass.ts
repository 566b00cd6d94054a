import type { Column } from '../../chunks/column.js';
import { emptyBlock } from '../../chunks/row-block.js';
import { UserError, userError } from '../../core/errors.js';
import { shortestDecimal } from '../../text/float-text.js';
import { recipe, type Cache } from '../cache/cache.js';
import { computedColumns, type ColumnNames, type ComputeColumns, type ComputedColumns } from './computed-columns.js';
import {
  refuseShards,
  storedValueColumns,
  valueBatch,
  valueStorage,
  type CreateColumn,
  type StoredPart,
} from './stored-columns.js';
import type { DialectOptions } from '../dialect.js';
import { replayRejects, type WriteRows } from '../encoding/write-rows.js';
import { encodeRows } from '../pipeline.js';
import { makeKey, type Fingerprint } from '../readers/fingerprint.js';
import { badRowProblem, type BadRow, type RejectPolicy } from '../rows/rejects.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import { dataColumns, type EncodedFormat } from '../rows/row-format.js';
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

export interface Teacher {
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
interface Scoring extends TeacherOptions {
  readonly ownCache: Cache;
  readonly teacher: Teacher;
  readonly counters: ComputedColumns | undefined;
  open(): Promise<RowScorer>;
}

/** Maximum number of rows of a part whose problem is stored. */
const MAX_PROBLEMS = 10_000;
/** Skips rows that a teacher cannot score: they matter if a student reads them. */
const SKIP_ALL: RejectPolicy = { count: 0, reject: () => undefined };

/**
 * Computes the probabilities of a teacher for the rows of the training files, which are scored once, part by part.
 * Validation and test sets have none: their losses compare with labels only.
 */
export function scoredColumns(options: TeacherOptions): ComputeColumns {
  const { columns, key, dialect, find } = options;
  const names: ColumnNames = { names: columns, origin: 'a computed column', renaming: () => 'rename the column' };
  const empty = columns.map((): Column => ({ type: 'number', text: () => '' }));
  const ownCache: Cache = {};
  return async (paths, split) => {
    if (split !== 'train') return computedColumns(names, () => ({ next: () => empty }));
    await refuseShards(paths, key);
    const { all } = await CellParts.open(findFiles(paths), { columns: [], dialect, ownCache });
    const parts = all.map((part): StoredPart => ({ part, content: '', folder: '' }));
    const scoreAll = async (reading: Reading): Promise<void> => {
      if (parts.every(({ folder }) => folder !== '')) return;
      const teacher = await find();
      const counters = await teacher.counters?.(paths, 'train');
      await counters?.prepare(reading);
      const score = (): Promise<void> => scoreParts(parts, { ...options, ownCache, teacher, counters }, reading);
      await (reading.sharing?.peers.rankZeroFirst(score) ?? score());
    };
    return storedValueColumns(names, parts, {
      prepare: scoreAll,
      columnsOf: async (path, stored) => columnReader(path, stored, (await find()).name),
    });
  };
}

async function scoreParts(
  parts: readonly StoredPart[],
  scoring: Omit<Scoring, 'open'>,
  reading: Reading,
): Promise<void> {
  let scorer: RowScorer | undefined;
  const open = async (): Promise<RowScorer> => (scorer ??= await scoring.teacher.open());
  try {
    for (const stored of parts) await scorePart(stored, { ...scoring, open }, reading);
  } finally {
    scorer?.dispose();
  }
}

async function scorePart(stored: StoredPart, scoring: Scoring, reading: Reading): Promise<void> {
  const { part } = stored;
  const { columns, teacher, counters } = scoring;
  part.keepStream(reading);
  const keys = [teacher.key, ...part.files.map(({ path }) => counters?.keyOf(path) ?? '')];
  const own = recipe('scores', [columns, ...part.recipe], keys);
  const policy = SKIP_ALL;
  stored.folder = await part.cachedRows('scores', own, valueStorage(columns), { ...reading, policy }, async (...to) => {
    const scorer = await scoring.open();
    return writeScores(await reopen(part, scorer, scoring), scorer, columns, reading, ...to);
  });
  stored.content = makeKey(keys, columns);
}

/** Opens the files of a part with the columns that a teacher reads. */
async function reopen(
  { files }: CellPart,
  { format }: RowScorer,
  { teacher: { name }, counters: computed, dialect, ownCache }: Scoring,
): Promise<CellPart> {
  try {
    const opened = [];
    for (const file of files) opened.push(await openFile(file, { columns: dataColumns(format), dialect, computed }));
    return new CellPart(opened, ownCache);
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
async function writeScores(
  part: CellPart,
  scorer: RowScorer,
  columns: readonly string[],
  reading: Reading,
  ...[policy, writer]: Parameters<WriteRows<Fingerprint>>
): Promise<{ readonly read: Fingerprint }> {
  const threads = encodingThreads(part, reading);
  const onShare = (share: number): void => reportShare(reading, `scoring ${part.path} with the teacher`, share);
  let numProblems = 0;
  for (const [file, rows] of part.rows.entries()) {
    if (file > 0) await writer.add(emptyBlock(), [0]);
    for await (const batch of encodeRows(rows, scorer.format, { threads, onShare, onWarning: reading.onWarning })) {
      for (const row of batch.rejects) if (++numProblems <= MAX_PROBLEMS) policy.reject(row);
      const scored = await scorer.score(batch);
      await writer.add(valueBatch(columns, scored.predictions, scored.rows));
    }
  }
  return { read: await part.hash(reading) };
}

/** Returns a function that creates a column of probabilities; the text of one that is not known throws. */
async function columnReader(path: string, { part, folder }: StoredPart, teacher: string): Promise<CreateColumn> {
  const problems = new Map<number, BadRow>();
  const note = (row: BadRow): void => {
    if (row.path === path) problems.set(row.line, row);
  };
  await replayRejects(folder, part.path, { count: 0, reject: note });
  const fix = 'correct the row, exclude it with data.where, or use a teacher that reads it';
  return (values, { lines }, firstLine) => ({
    type: 'number',
    text: (row) => {
      const value = values[row]!;
      if (!Number.isNaN(value)) return String(shortestDecimal(value));
      const line = firstLine + (lines?.[row] ?? row);
      const unknown = { path, line, column: undefined, value: undefined, expected: 'a row with a finite prediction' };
      const problem = badRowProblem(problems.get(line) ?? { ...unknown, cells: [] }, fix);
      const message = `the teacher ${teacher} cannot score the row: ${problem.message}`;
      throw userError('data', { ...problem, message });
    },
  });
}
