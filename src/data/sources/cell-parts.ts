import { relative } from 'node:path';
import { UserError, type Problem } from '../../core/errors.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import { CellPart, type CellOpening } from './cell-part.js';
import { commonFolder, type DataFile } from './find-files.js';
import type { Reading } from './source.js';

/** Of at least so many files, those of at most so many bytes are read at the same time, at most so many of them. */
const MANY_FILES = 32;
const SMALL_BYTES = 1e6;
const MAX_AHEAD = 8;
/** Maximum number of reported problems of a source. */
const MAX_PROBLEMS = 20;

/** The files of a source, in order. */
export class CellParts {
  readonly all: readonly [CellPart, ...CellPart[]];
  /** The file, or the folder that contains all files. */
  readonly path: string;
  /** Columns that every file has, those of its folders among them, in the order of the first. */
  readonly columns: readonly string[];

  constructor(all: readonly CellPart[]) {
    this.all = all as readonly [CellPart, ...CellPart[]];
    const files = all.map(({ file }) => file);
    this.path = files.length === 1 ? files[0]!.path : commonFolder(files);
    const columns = all.map(({ rows, file }) => [...new Set([...rows.csv.header, ...file.constants.keys()])]);
    this.columns = columns[0]!.filter((name) => columns.every((names) => names.includes(name)));
  }

  /**
   * Opens files.
   * @throws UserError (data) with the problems of all files
   */
  static async open(files: readonly DataFile[], opening: CellOpening): Promise<CellParts> {
    const parts: CellPart[] = [];
    const problems: Problem[] = [];
    for (const file of files) {
      try {
        parts.push(await CellPart.open(file, opening));
      } catch (error) {
        if (!(error instanceof UserError) || error.kind !== 'data') throw error;
        problems.push(...error.problems);
        if (problems.length >= MAX_PROBLEMS) break;
      }
    }
    if (problems.length > 0) throw new UserError('data', problems);
    return new CellParts(parts);
  }

  get first(): CellPart {
    return this.all[0];
  }

  /** Whether there are several files. */
  get areSeveral(): boolean {
    return this.all.length > 1;
  }

  /** Returns the path of a file below `path`. */
  nameOf({ file }: CellPart): string {
    return relative(this.path, file.path);
  }

  /** Joins properties of each file, by its name below `path`. */
  byName<Each>(found: readonly Readonly<Record<string, Each>>[]): Readonly<Record<string, Each>> {
    if (!this.areSeveral) return found[0]!;
    return Object.fromEntries(this.all.map((part, i) => [this.nameOf(part), found[i]!['']!]));
  }

  /** Calls a function for one file after the other; many at once would need as many file descriptors. */
  async eachOf<Found>(get: (part: CellPart) => Promise<Found>): Promise<Found[]> {
    const found: Found[] = [];
    for (const part of this.all) found.push(await get(part));
    return found;
  }

  /**
   * Reads each file. Many small files are read some at a time, since each waits for the disk. Invalid rows are reported
   * in the order of the files; a file that fails is read again in its turn, and throws what it alone would.
   */
  async readEach<Found>(
    reading: Reading,
    read: (part: CellPart, reading: Reading) => Promise<Found>,
  ): Promise<Found[]> {
    const found: Found[] = [];
    for (let begin = 0; begin < this.all.length; begin += MAX_AHEAD) {
      const window = this.all.slice(begin, begin + MAX_AHEAD);
      const areSmall = this.all.length >= MANY_FILES && window.every(({ bytes }) => bytes <= SMALL_BYTES);
      const ahead = await Promise.all(areSmall ? window.map((part) => readAhead(part, reading, read)) : []);
      for (const [i, part] of window.entries()) found.push(ahead[i]?.() ?? (await read(part, reading)));
    }
    return found;
  }
}

/**
 * Returns a function that reports the invalid rows of a file and returns what was read; undefined if reading failed.
 */
async function readAhead<Found>(
  part: CellPart,
  reading: Reading,
  read: (part: CellPart, reading: Reading) => Promise<Found>,
): Promise<(() => Found) | undefined> {
  const rejects: BadRow[] = [];
  const policy: RejectPolicy = { count: 0, reject: (row) => void rejects.push(row) };
  try {
    const found = await read(part, { ...reading, policy });
    return () => {
      for (const row of rejects) reading.policy.reject(row);
      return found;
    };
  } catch {
    return undefined;
  }
}
