import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SINGLE_PROCESS, type ProcessGroup } from './core/process-group.js';
import { assignRows, NO_ROWS, sampleRows, sampleSessions } from './prepare/assign-rows.js';
import { fieldPlans, type PerField } from './prepare/fields.js';
import { listRejects, parseSplit } from './prepare/parse.js';
import { createDistributedPool, createPool } from './system/job-pool.js';
import { RECIPES, type Recipe, type RecipeName } from './prepare/recipes.js';
import { writeResults } from './prepare/results.js';
import { encodeSplit } from './prepare/sessions.js';
import { sum, writeSplit } from './prepare/shards.js';
import { summarize, type Summary } from './prepare/summary.js';
import { createStages, type PrepareProgress } from './prepare/stage.js';
import { fitVocabularies } from './prepare/vocabulary.js';
import { closeWork, openWork, readPlan, SUMMARY, type Work } from './prepare/work.js';

export interface PrepareOptions {
  /** Directory of the four raw files. */
  readonly raw: string;
  /** Directory that is absent, empty, or from an interrupted run with the same options. */
  readonly out: string;
  /** Seed of the validation set. */
  readonly seed: number;
  /** Fraction of the training sessions for the validation set, from 0. */
  readonly validShare: number;
  /**
   * Minimum occurrences of an id in the training set; rarer ids become 0, the OOV id. Default: the value of the recipe,
   * else 10.
   */
  readonly minCounts?: PerField | undefined;
  /** Maximum number of values per bag, the heaviest first. Default: the value of the recipe, else 10. */
  readonly caps?: PerField | undefined;
  /** Preprocessing of a paper. */
  readonly recipe?: RecipeName | undefined;
  /** Maximum number of invalid rows. */
  readonly maxBadRows: number;
  /** Number of threads; default: one per core, at most 4. */
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** Processes that share the work and the directories. */
  readonly peers?: ProcessGroup;
  /** Bytes of raw data per chunk; for tests. */
  readonly chunkBytes?: number;
}

/** Work of other phases relative to parsing the same bytes. */
const EFFORT = { count: 0.15, write: 0.35 };
const MAX_THREADS = 4;
/** Default minimum occurrences of an id and maximum values per bag. */
const USUAL: PerField = { rest: 10, byField: {} };

/**
 * Prepares a data set for `mtl train` from the raw files of Ali-CCP. Memory does not depend on the number of rows:
 * files are parsed in chunks into columns on disk (`.work`), and a thread holds one chunk and two shards (one being
 * written) at a time. Only two things grow with the data: the session table (43 bytes per session, 32 MB for the
 * 730,600 of train) and the distinct ids of a field while it is counted (12 to 24 bytes each, at most 200 MB if all 8
 * million were of one field). Sessions are read from disk on demand. Each intermediate file is renamed into place once
 * complete, and a rerun continues from existing files. The result depends neither on interruptions nor on the number of
 * threads and processes.
 * @throws UserError (data) for missing files, or more invalid rows than the limit; (usage) for a directory with other
 * content; (disk)
 */
export async function prepare(
  options: PrepareOptions,
  onProgress: (progress: PrepareProgress) => void,
): Promise<Summary> {
  const { raw, out, seed, validShare, maxBadRows, signal, peers = SINGLE_PROCESS } = options;
  const { threads = Math.min(MAX_THREADS, availableParallelism()) } = options;
  const recipe: Recipe | undefined = options.recipe && RECIPES[options.recipe];
  const { minCounts = recipe?.minCounts ?? USUAL, caps = recipe?.caps ?? USUAL } = options;
  const fields = fieldPlans(caps, minCounts, recipe);
  const planned = { seed, validShare, fields, ...(recipe && { recipe: options.recipe }) };
  const work = await peers.rankZeroFirst(() => openWork(raw, out, planned, peers, options.chunkBytes));
  if (work.isDone) {
    if (peers.rank === 0) await closeWork(work);
    // Written by this function.
    return JSON.parse(await readFile(join(out, SUMMARY), 'utf8')) as Summary;
  }

  const { units, totalUnits } = estimateEffort(work, validShare);
  const threadPool = createPool('prepare/worker', threads, signal);
  const stages = createStages(work, fields, createDistributedPool(threadPool, peers), totalUnits, onProgress);
  try {
    const limit = { max: maxBadRows, count: 0 };
    const train = await parseSplit(stages, 'train', limit);
    const test = await parseSplit(stages, 'test', limit);

    const drawsRows = recipe?.drawsRows === true;
    const valid = drawsRows ? sampleRows(seed, validShare) : sampleSessions(train.sessions, seed, validShare);
    const trainRows = assignRows(train.skeleton, train.sessions.count, valid);
    const testRows = assignRows(test.skeleton, test.sessions.count, NO_ROWS);
    const countsValid = recipe?.countsValid === true;
    const vocabularies = await fitVocabularies(stages, train, trainRows, countsValid, units.count);

    const trainSessions = await encodeSplit(stages, 'train', train, vocabularies);
    const testSessions = await encodeSplit(stages, 'test', test, vocabularies);
    const shards = {
      train: await writeSplit(stages, 'train', train, trainRows, trainSessions, vocabularies, units.train),
      valid: await writeSplit(stages, 'valid', train, trainRows, trainSessions, vocabularies, units.valid),
      test: await writeSplit(stages, 'test', test, testRows, testSessions, vocabularies, units.test),
    };

    const assigned = { train: trainRows, test: testRows };
    const summary = summarize(await readPlan(work), fields, { train, test }, assigned, vocabularies, shards);
    // No process reads intermediate files any more.
    peers.allGatherStrings('');
    if (peers.rank === 0) {
      const rejects = listRejects([train.common, train.skeleton, test.common, test.skeleton]);
      await writeResults(out, fields, vocabularies, rejects, summary);
      await closeWork(work);
    }
    return summary;
  } finally {
    await threadPool.close();
  }
}

/** Estimates the effort of phases, in units of the time to parse a byte of raw data. */
function estimateEffort({ files }: Work, validShare: number) {
  const [trainBytes, testBytes] = [files.train, files.test].map(
    ({ common, skeleton }) => common.bytes + skeleton.bytes,
  ) as [number, number];
  const units = {
    count: EFFORT.count * trainBytes,
    train: EFFORT.write * trainBytes * (1 - validShare),
    valid: EFFORT.write * trainBytes * validShare,
    test: EFFORT.write * testBytes,
  };
  return { units, totalUnits: sum([trainBytes, testBytes, ...Object.values(units)], (bytes) => bytes) };
}
