import { z } from 'zod';
import { dialectShape } from './dialect.js';

const path = z.string().min(1);
const paths = z.union([path, z.array(path).min(1)]);
/** Where rows come from: files, folders or globs, one or several. */
export type Paths = string | readonly string[];

/** The `data` section of a config. */
export const dataOptions = z
  .strictObject({
    train: paths.describe('CSV with a header, plain or gzip, or Parquet: a file, a folder of files or of partitions (ds=2026-11-01), a glob, or a list of these; or a folder of shards. Paths are taken from the folder of the config, else from the working directory'),
    valid: paths.optional().describe('measured after every epoch; the best epoch is chosen by it'),
    test: paths.optional().describe('measured once, with the best weights'),
    ...dialectShape,
    cache: path.optional().describe('folder for encoded rows, so that a file is read once; .mtl beside the data where it is not given'),
    onBadRow: z.enum(['error', 'skip']).default('error').describe('skip writes bad rows to rejects.csv with their reasons'),
    maxRejects: z.int().min(0).default(1000).describe('with onBadRow skip: more bad rows than this are an error'),
  })
  .describe('where the rows come from');
export type DataOptions = z.output<typeof dataOptions>;

/** The parts of a data set. */
export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];
