import { quoted, userError, type UserError } from '../core/errors.js';
import { firstLine, type Chunk } from './chunk.js';
import { createColumnReader, isWhole, readAbout } from './column-file.js';
import type { FieldPlan } from './fields.js';
import type { Jobs } from './jobs/all.js';
import type { BadRow, ParseAbout } from './jobs/parse-lines.js';
import type { SkeletonAbout } from './jobs/parse-skeleton.js';
import type { Pool } from './pool.js';
import type { Progress } from './progress.js';
import { createSessionTable, type SessionTable } from './session-table.js';
import { numbered, unfinished, type RawSplit, type Work } from './work.js';

/** File of a chunk's columns, with its metadata. */
export interface Parsed<About extends ParseAbout = ParseAbout> {
  readonly chunk: Chunk;
  readonly path: string;
  readonly about: About;
}

/** A split as columns of raw ids. */
export interface ParsedSplit {
  readonly common: readonly Parsed[];
  readonly skeleton: readonly Parsed<SkeletonAbout>[];
  readonly sessions: SessionTable;
  /** Rows of common features with a repeated index. */
  readonly repeated: number;
}

/** An invalid row with its location. */
export interface Reject extends Omit<BadRow, 'line'> {
  readonly path: string;
  /** From 1. */
  readonly line: number;
}

/** Counts invalid rows over all files, up to a limit. */
export interface BadRowLimit {
  readonly max: number;
  count: number;
}

/**
 * Parses the raw files of a split.
 * @throws UserError (data) if there are more invalid rows than the limit, with the location of the first excess one;
 * (disk)
 */
export async function parseSplit(
  work: Work,
  split: RawSplit,
  fields: readonly FieldPlan[],
  pool: Pool,
  progress: Progress,
  limit: BadRowLimit,
): Promise<ParsedSplit> {
  const { commonPath, common, skeletonPath, skeleton } = work.files[split];
  const parse = async <About extends ParseAbout>(
    job: 'parseCommon' | 'parseSkeleton',
    chunks: readonly Chunk[],
    more: object,
  ): Promise<Parsed<About>[]> => {
    const room = job === 'parseCommon' ? 'common' : 'skeleton';
    const target = (chunk: Chunk): string => work.path(room, `${split}-${numbered(chunk.index)}`);
    const todo = unfinished(chunks, (chunk) => isWhole(target(chunk)), work);
    const countBytes = (list: readonly Chunk[]): number => list.reduce((sum, { begin, end }) => sum + end - begin, 0);
    progress.phase = `parsing ${room === 'common' ? commonPath : skeletonPath}`;
    progress.skip(countBytes(chunks) - countBytes(todo));
    // `more` contains the additional inputs of a skeleton's tasks.
    const tasks = todo.map((chunk) => ({
      chunk,
      target: target(chunk),
      fields,
      maxBadRows: limit.max,
      ...more,
    })) as Parameters<Jobs['parseSkeleton']>[0][];
    await pool.run(job, tasks, ({ bad }, i) => {
      progress.add(countBytes([todo[i]!]));
      // Beyond the limit nothing was written.
      if (bad.length > limit.max) throw tooManyBadRows(todo[i]!, bad[limit.max]!, limit.max);
    });
    const parsed = chunks.map((chunk) => ({ chunk, path: target(chunk), about: readAbout(target(chunk)) as About }));
    for (const { chunk, about } of parsed) {
      const over = limit.max - limit.count;
      if (about.bad.length > over) throw tooManyBadRows(chunk, about.bad[over]!, limit.max);
      limit.count += about.bad.length;
    }
    return parsed;
  };
  const parsedCommon = await parse('parseCommon', common, {});
  const keys = [];
  for (const { path } of parsedCommon) {
    // A separate reader, since all results stay in use.
    const columns = createColumnReader().read(path, ['keys.offsets', 'keys.bytes']);
    keys.push({ offsets: columns.get('keys.offsets') as Uint32Array, bytes: columns.get('keys.bytes') as Uint8Array });
  }
  const { table: sessions, repeated } = createSessionTable(keys);
  const parsedSkeleton = await parse<SkeletonAbout>('parseSkeleton', skeleton, { sessions, commonPath });
  const rows = parsedSkeleton.reduce((sum, { about }) => sum + about.rows, 0);
  if (rows === 0)
    throw userError('data', {
      where: skeletonPath,
      message: 'has no usable row',
      fix: 'use a skeleton file of Ali-CCP',
    });
  return { common: parsedCommon, skeleton: parsedSkeleton, sessions, repeated };
}

/** Merges all invalid rows with their lines. */
export function mergeRejects(files: readonly (readonly Parsed[])[]): Reject[] {
  return files.flatMap((file) => {
    let lines = 1;
    return file.flatMap(({ chunk: { path }, about }) => {
      const first = lines;
      lines += about.lines;
      return about.bad.map((row) => ({ ...row, path, line: first + row.line }));
    });
  });
}

function tooManyBadRows(chunk: Chunk, { line, expected, found }: BadRow, max: number): UserError {
  const where = `${chunk.path}:${firstLine(chunk) + line}`;
  const fix =
    max === 0
      ? 'correct the row, or raise --max-bad-rows to drop and list invalid rows'
      : `more invalid rows than --max-bad-rows ${max}`;
  return userError('data', { where, message: `expected ${expected}, found ${quoted(found)}`, fix });
}
