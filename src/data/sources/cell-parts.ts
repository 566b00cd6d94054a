import { relative } from 'node:path';
import { UserError, type Problem } from '../../core/errors.js';
import { withSlashes } from '../../io/slashes.js';
import type { FileStats, Fingerprint } from '../readers/fingerprint.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import { CellPart, fileRecipe, findContent, openFile, type CellOpening, type OpenedFile } from './cell-part.js';
import { commonFolder, type DataFile } from './find-files.js';
import { packFiles } from './pack-files.js';
import type { Access, Reading } from './source.js';

/** Parts of at most so many bytes are read at the same time, at most so many of them. */
const SMALL_BYTES = 8e6;
const MAX_AHEAD = 4;
/** Maximum number of reported problems of a source. */
const MAX_PROBLEMS = 20;

/** The files of a source, in order; many small files are parts of several files. */
export class CellParts {
  readonly all: readonly [CellPart, ...CellPart[]];
  readonly files: readonly OpenedFile[];
  /** The file, or the folder that contains all files. */
  readonly path: string;
  /** Columns that every file has, those of its folders among them, in the order of the first. */
  readonly columns: readonly string[];

  constructor(files: readonly OpenedFile[], { ownCache = {} }: Pick<CellOpening, 'ownCache'>) {
    const all = packFiles(files).map((pack) => new CellPart(pack, ownCache));
    this.all = all as [CellPart, ...CellPart[]];
    this.files = files;
    this.path = files.length === 1 ? files[0]!.path : commonFolder(files);
    const columns = files.map(({ rows, constants }) => [...new Set([...rows.csv.header, ...constants.keys()])]);
    this.columns = columns[0]!.filter((name) => columns.every((names) => names.includes(name)));
  }

  /**
   * Opens files.
   * @throws UserError (data) with the problems of all files
   */
  static async open(files: readonly DataFile[], opening: CellOpening): Promise<CellParts> {
    const opened: OpenedFile[] = [];
    const problems: Problem[] = [];
    for (const file of files) {
      try {
        opened.push(await openFile(file, opening));
      } catch (error) {
        if (!(error instanceof UserError) || error.kind !== 'data') throw error;
        problems.push(...error.problems);
        if (problems.length >= MAX_PROBLEMS) break;
      }
    }
    if (problems.length > 0) throw new UserError('data', problems);
    return new CellParts(opened, opening);
  }

  get first(): CellPart {
    return this.all[0];
  }

  /** Whether there are several files. */
  get areSeveral(): boolean {
    return this.files.length > 1;
  }

  /** Stats of the files when they were opened, by their names below `path`. */
  get stats(): FileStats {
    return this.byName(this.all.map(({ stats }) => stats));
  }

  /** Describes all that affects the rows, beside the content and the format. */
  get recipe(): readonly unknown[] {
    if (!this.areSeveral) return this.first.recipe;
    return [this.files.map((file) => [this.nameOf(file), ...fileRecipe(file)])];
  }

  /** Returns the path of a file below `path`. */
  nameOf({ path }: OpenedFile): string {
    return withSlashes(relative(this.path, path));
  }

  /** Joins properties of the files of each part, by their names below `path`. */
  byName<Each>(found: readonly Readonly<Record<string, Each>>[]): Readonly<Record<string, Each>> {
    return Object.fromEntries(
      this.all.flatMap(({ files, names }, part) =>
        files.map((file, i) => [this.nameOf(file), found[part]![names[i]!]!] as const),
      ),
    );
  }

  /**
   * Returns the content of the files, by their names below `path`, from the cache entries of all of them, as
   * `CellPart.identify` does from those of a part.
   */
  async identify(access: Access): Promise<Fingerprint | undefined> {
    const { path, first, stats } = this;
    if (!this.areSeveral) return first.identify(access);
    return findContent({ path, home: first.home, stats }, first.cacheOf(access), access, () =>
      this.fingerprint(access),
    );
  }

  /** Returns the content of the files, by their names below `path`; as `CellPart.fingerprint` does. */
  async fingerprint(access: Access): Promise<Fingerprint> {
    return this.byName(await this.eachOf((part) => part.fingerprint(access)));
  }

  /** Calls a function for one part after the other; many at once would need as many file descriptors. */
  async eachOf<Found>(get: (part: CellPart) => Promise<Found>): Promise<Found[]> {
    const found: Found[] = [];
    for (const part of this.all) found.push(await get(part));
    return found;
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
