import { userError } from '../core/errors.js';
import type { StringPool } from '../features/vocabulary/string-pool.js';
import { createColumnReader, readAbout } from './column-file.js';
import { tooManyBadRows, type BadRow, type ParseAbout, type ParseTask } from './jobs/parse-chunk.js';
import { createSessionTable, type SessionTable } from './session-table.js';
import type { Stages } from './stage.js';
import { numbered, type RawFile, type RawSplit } from './work.js';
import type { Chunk } from './chunk.js';

/** File of a chunk's columns, with its metadata. */
export interface Parsed {
  readonly chunk: Chunk;
  readonly path: string;
  readonly about: ParseAbout;
}

/** A split as columns of raw ids. */
export interface ParsedSplit {
  readonly common: readonly Parsed[];
  readonly skeleton: readonly Parsed[];
  readonly sessions: SessionTable;
  /** Rows of common features with a repeated index. */
  readonly repeated: number;
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
export async function parseSplit(stages: Stages, split: RawSplit, limit: BadRowLimit): Promise<ParsedSplit> {
  const files = stages.work.files[split];
  const parse = async (file: RawFile, folder: string, common?: ParseTask['common']): Promise<Parsed[]> => {
    const tasks = file.chunks.map((chunk): ParseTask => ({
      target: stages.work.path(folder, `${split}-${numbered(chunk.index)}`),
      chunk,
      fields: stages.fields,
      maxBadRows: limit.max,
      common,
    }));
    const units = file.chunks.map(({ begin, end }) => end - begin);
    await stages.run('parseChunk', tasks, { phase: `parsing ${file.path}`, units });
    return tasks.map(({ chunk, target }) => {
      // Written by the job.
      const about = readAbout(target) as ParseAbout;
      const left = limit.max - limit.count;
      if (about.bad.length > left) throw tooManyBadRows(chunk, about.bad[left]!, limit.max);
      limit.count += about.bad.length;
      return { chunk, path: target, about };
    });
  };
  const common = await parse(files.common, 'common');
  const { table: sessions, repeated } = createSessionTable(common.map(readKeys));
  const skeleton = await parse(files.skeleton, 'skeleton', { sessions, path: files.common.path });
  if (skeleton.every(({ about }) => about.rows === 0))
    throw userError('data', {
      where: files.skeleton.path,
      message: 'has no usable row',
      fix: 'use a skeleton file of Ali-CCP',
    });
  return { common, skeleton, sessions, repeated };
}

function readKeys({ path }: Parsed): StringPool {
  // A separate reader, since all results stay in use.
  const columns = createColumnReader().read(path, ['keys.offsets', 'keys.bytes']);
  return { offsets: columns.get('keys.offsets') as Uint32Array, bytes: columns.get('keys.bytes') as Uint8Array };
}

/** An invalid row with its location. */
export interface Reject extends BadRow {
  readonly path: string;
}

/** Lists the invalid rows of files, with their lines from 1. */
export function listRejects(files: readonly (readonly Parsed[])[]): Reject[] {
  return files.flatMap((file) => {
    let firstLine = 1;
    return file.flatMap(({ chunk: { path }, about }) => {
      const first = firstLine;
      firstLine += about.lines;
      return about.bad.map((row) => ({ ...row, path, line: first + row.line }));
    });
  });
}
