import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SINGLE_PROCESS, type ProcessGroup } from './core/process-group.js';
import { createDistributedPool } from './prepare/distributed-pool.js';
import { fieldPlans, type PerField } from './prepare/fields.js';
import { parseSplit, mergeRejects } from './prepare/parse.js';
import { createPool } from './prepare/pool.js';
import { createProgress, type PrepareProgress } from './prepare/progress.js';
import { RECIPES, type Recipe, type RecipeName } from './prepare/recipes.js';
import { writeResults } from './prepare/results.js';
import { encodeSplit, writeSplit } from './prepare/shards.js';
import { summarize, type Summary } from './prepare/summary.js';
import { NO_ROWS, singleRows, wholeSessions } from './prepare/valid-rows.js';
import { assignRows, fitVocabularies } from './prepare/vocabulary.js';
import { closeWork, openWork, readPlan, SUMMARY } from './prepare/work.js';

/** What to prepare, and how. */
export interface PrepareOptions {
  /** The folder of the four raw files. */
  readonly raw: string;
  /** A folder that is not there, empty, or of an interrupted run with the same options. */
  readonly out: string;
  /** Decides which sessions are of valid. */
  readonly seed: number;
  /** Share of train's sessions that become valid, from 0. */
  readonly validShare: number;
  /** An id with fewer occurrences in train becomes 0, the unknown; the recipe's, or else 10, where it is left out. */
  readonly minCounts?: PerField | undefined;
  /** Values of a row that a bag keeps: the heaviest; the recipe's, or else 10, where it is left out. */
  readonly caps?: PerField | undefined;
  /** As a paper did it. */
  readonly recipe?: RecipeName | undefined;
  /** One bad row more is an error. */
  readonly maxBadRows: number;
  /** Undefined for one a core, four at the most. */
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** The processes that do this together, on the same folders. */
  readonly peers?: ProcessGroup;
  /** Bytes of raw data that are parsed at a time; for tests. */
  readonly chunkBytes?: number;
}

/** Work beside parsing, as a part of what parsing the same bytes takes. */
const EFFORT = { count: 0.15, write: 0.35 };
const MAX_THREADS = 4;
/** Occurrences of an id that gets a place of its own, and values of a bag, at the least and at the most. */
const USUAL: PerField = { rest: 10, byField: {} };

/**
 * Makes a data set that `mtl train` reads out of the raw files of Ali-CCP.
 *
 * Memory does not depend on the number of rows: files are parsed in chunks into columns on disk (`.work`), and a thread
 * has
 * one chunk in memory at a time, and two shards, one that is written and the next. What grows with the data is the
 * table of
 * sessions (43 bytes each, 32 MB for the 730,600 of train) and, while a field is counted, its different ids (12 to 24
 * bytes
 * each, at the most 200 MB if all 8 million were of one field). Sessions are read from disk as the rows ask for them.
 *
 * A piece of work is a file that is renamed to its place when it is whole; a run that finds it there goes on behind it.
 * What
 * comes out depends neither on interruptions nor on the number of threads and processes.
 * @throws UserError (data) for bad rows beyond the limit, and missing files; (usage) for a folder of something else;
 * (disk)
 */
export async function prepare(
  options: PrepareOptions,
  onProgress: (progress: PrepareProgress) => void,
): Promise<Summary> {
  const {
    raw,
    out,
    seed,
    validShare,
    maxBadRows,
    signal,
    peers = SINGLE_PROCESS,
    threads = Math.min(MAX_THREADS, availableParallelism()),
  } = options;
  const recipe: Recipe | undefined = options.recipe && RECIPES[options.recipe];
  const { minCounts = recipe?.minCounts ?? USUAL, caps = recipe?.caps ?? USUAL } = options;
  const fields = fieldPlans(caps, minCounts, recipe);
  const work = await peers.rankZeroFirst(() =>
    openWork(
      raw,
      out,
      { seed, validShare, fields, ...(recipe && { recipe: options.recipe }) },
      peers,
      options.chunkBytes,
    ),
  );
  if (work.isDone) {
    if (peers.rank === 0) await closeWork(work);
    // Written by this function.
    return JSON.parse(await readFile(join(out, SUMMARY), 'utf8')) as Summary;
  }

  const { train: trainFiles, test: testFiles } = work.files;
  const trainBytes = trainFiles.commonBytes + trainFiles.skeletonBytes;
  const testBytes = testFiles.commonBytes + testFiles.skeletonBytes;
  const effort = {
    count: EFFORT.count * trainBytes,
    train: EFFORT.write * trainBytes * (1 - validShare),
    valid: EFFORT.write * trainBytes * validShare,
    test: EFFORT.write * testBytes,
  };
  const progress = createProgress(
    trainBytes + testBytes + Object.values(effort).reduce((sum, part) => sum + part, 0),
    onProgress,
  );
  const own = createPool(threads, signal);
  const pool = createDistributedPool(own, peers);
  try {
    const limit = { max: maxBadRows, count: 0 };
    const train = await parseSplit(work, 'train', fields, pool, progress, limit);
    const test = await parseSplit(work, 'test', fields, pool, progress, limit);

    const trainRows = await assignRows(
      train,
      recipe?.drawsRows === true ? singleRows(seed, validShare) : wholeSessions(train.sessions, seed, validShare),
      own,
    );
    const testRows = await assignRows(test, NO_ROWS, own);
    const vocabularies = await fitVocabularies(
      work,
      fields,
      train,
      trainRows,
      recipe?.countsValid === true,
      pool,
      progress,
      effort.count,
    );

    const trainSource = await encodeSplit(work, 'train', fields, train, trainRows, vocabularies, pool);
    const testSource = await encodeSplit(work, 'test', fields, test, testRows, vocabularies, pool);
    const shards = {
      train: await writeSplit(work, 'train', fields, trainSource, vocabularies, pool, progress, effort.train),
      valid: await writeSplit(work, 'valid', fields, trainSource, vocabularies, pool, progress, effort.valid),
      test: await writeSplit(work, 'test', fields, testSource, vocabularies, pool, progress, effort.test),
    };

    const summary = summarize(
      await readPlan(work),
      fields,
      { train: trainSource, test: testSource },
      vocabularies,
      shards,
    );
    const rejects = mergeRejects([train.common, train.skeleton, test.common, test.skeleton]);
    // Nobody reads what is half done any more.
    peers.allGatherStrings('');
    if (peers.rank === 0) {
      await writeResults(out, fields, vocabularies, rejects, summary);
      await closeWork(work);
    }
    return summary;
  } finally {
    await own.close();
  }
}
