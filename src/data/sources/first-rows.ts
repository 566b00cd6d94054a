import type { DialectOptions } from '../dialect.js';
import { fitFeatures } from '../encoding/fit.js';
import { streamRows } from '../encoding/stream-rows.js';
import type { CellFile, Piece } from '../files/cell-file.js';
import { openRows } from '../files/open-rows.js';
import type { RowSource } from '../files/row-reader.js';
import type { Paths } from '../options.js';
import { countLeftOut } from '../rows/row-rule.js';
import { findFiles, type DataFile } from './find-files.js';
import { openSource } from './open-source.js';
import type { Source } from './source.js';

/** Files of a source that are looked into: the first, the last, and some between. */
const MAX_FILES = 8;
const LF = 10;

/** A source of which the first rows stand for all, and how much of it was read. */
export interface FirstRows extends Source {
  /** Whether rows were left unread. */
  readonly isCut: boolean;
}

/**
 * Opens a source to look at its first rows alone: of a few of its files, about `limit` together. Its columns are looked for in all of them.
 * Nothing is kept of what is read. A folder of shards is read whole.
 * @throws UserError (data) for what cannot be read or lacks a column
 */
export async function openFirstRows(paths: Paths, columns: readonly string[], dialect: DialectOptions, limit: number): Promise<FirstRows> {
  const whole = await openSource(paths, columns, dialect);
  if (!whole.takesRules) return { ...whole, isCut: false };
  const all = findFiles(paths);
  const files = spread(all);
  let isCut = files.length < all.length;
  const open = async (wanted: readonly string[]): Promise<readonly RowSource[]> => {
    const opened: RowSource[] = [];
    for (const { path, constants } of files) {
      const rows = await openRows(path, wanted, dialect, constants);
      opened.push({ ...rows, csv: firstPieces(rows.csv, limit / files.length, () => (isCut = true)) });
    }
    return opened;
  };
  return {
    ...whole,
    get isCut() {
      return isCut;
    },
    fit: async (format, { policy }) => fitFeatures(await open(columns), format, policy, () => undefined),
    async stream(format, kept, { policy, signal }, take) {
      const leftOut = new Map<string, number>();
      for (const rows of await open([...new Set([...columns, ...kept])])) {
        countLeftOut(leftOut, await streamRows(rows, format, kept, policy, take, () => signal?.throwIfAborted(), { threads: 1 }));
      }
      return leftOut;
    },
  };
}

/** Some files of many, the first and the last among them. */
function spread(files: readonly DataFile[]): readonly DataFile[] {
  if (files.length <= MAX_FILES) return files;
  return Array.from({ length: MAX_FILES }, (_, i) => files[Math.round((i * (files.length - 1)) / (MAX_FILES - 1))]!);
}

/** A file of cells that ends with the piece in which it has had enough rows. */
function firstPieces(csv: CellFile, limit: number, onCut: () => void): CellFile {
  return {
    ...csv,
    async *pieces(ahead) {
      let rows = 0;
      for await (const piece of csv.pieces(ahead)) {
        rows += rowsOf(piece);
        yield piece;
        if (rows < limit) continue;
        if (piece.progress < 1) onCut();
        return;
      }
    },
  };
}

/** About how many rows a piece has. */
function rowsOf(piece: Piece): number {
  if ('columns' in piece) return piece.numRows;
  if ('rows' in piece) return piece.rows.length;
  let count = 0;
  for (let at = piece.bytes.indexOf(LF, piece.begin); at >= 0 && at < piece.end; at = piece.bytes.indexOf(LF, at + 1)) count++;
  return count;
}
