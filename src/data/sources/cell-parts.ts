import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import { CellPart, fileRecipe, openFile, type CellOpening, type OpenedFile } from './cell-part.js';
import { commonFolder, type DataFile } from './find-files.js';
import { openAll } from './open-all.js';
import { packFiles } from './pack-files.js';
import type { Reading } from './source.js';

/** Parts of at most so many bytes are read at the same time, at most so many of them. */
const SMALL_BYTES = 8e6;
const MAX_AHEAD = 4;

/** Maximum number of reported problems of a source. */
const MAX_PROBLEMS = 20;

/** The files of a source, in order; many small files are parts of several files. */
export class CellParts {
  readonly all: readonly CellPart[];
  /** All files; `path` is the path of the only file, or of the folder that contains all files. */
  readonly whole: CellPart;
  /** Columns that every file has, including the columns of its folders, in the order of the first. */
  readonly columns: readonly string[];

  constructor(files: readonly OpenedFile[], { ownCache = {} }: Pick<CellOpening, 'ownCache'>) {
    this.all = packFiles(files).map((pack) => new CellPart(pack, ownCache));
    this.whole = files.length === 1 ? this.all[0]! : new CellPart(files, ownCache, commonFolder(files), this.all);
    const columns = files.map(({ rows, constants }) => [...new Set([...rows.csv.header, ...constants.keys()])]);
    this.columns = columns[0]!.filter((name) => columns.every((names) => names.includes(name)));
  }

  /**
   * Opens files.
   * @throws UserError (data) with the problems of all files
   */
  static async open(files: readonly DataFile[], opening: CellOpening): Promise<CellParts> {
    const opened = await openAll(files, (file) => openFile(file, opening), undefined, MAX_PROBLEMS);
    return new CellParts([...opened.values()], opening);
  }

  /** Describes all that affects the rows, beside the content and the format. */
  get recipe(): readonly unknown[] {
    const { files, names, recipe } = this.whole;
    return files.length === 1 ? recipe : [files.map((file, i) => [names[i], ...fileRecipe(file)])];
  }

  /**
   * Reads each part. Of many small ones, several are read at a time, since each waits for the disk. Invalid rows are
   * reported in the order of the files; a part that fails is read again in its turn, and throws what it alone would.
   */
  async readEach<Found>(
    reading: Reading,
    read: (part: CellPart, reading: Reading) => Promise<Found>,
  ): Promise<Found[]> {
    const found: Found[] = [];
    for (let begin = 0; begin < this.all.length; begin += MAX_AHEAD) {
      const window = this.all.slice(begin, begin + MAX_AHEAD);
      const areSmall =
        window.some(({ files }) => files.length > 1) &&
        window.every(({ bytes, stream }) => bytes <= SMALL_BYTES && stream === undefined);
      const ahead = await Promise.all(areSmall ? window.map((part) => readAhead(part, reading, read)) : []);
      for (const [i, part] of window.entries()) found.push(ahead[i]?.() ?? (await read(part, reading)));
    }
    return found;
  }
}

/**
 * Returns a function that reports the invalid rows of a part and returns what was read; undefined if reading failed.
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
