import { quoted } from '../../core/errors.js';
import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { ColumnReader } from '../rows/column-reader.js';
import type { RowShape } from './row-reader.js';

/** Readers of a file in which some columns are the same in all rows. */
export interface ConstantColumns {
  /** What is left to read from the cells of a row. */
  readonly readers: readonly ColumnReader[];
  /**
   * Reads what does not stand in the cells, once a row; undefined where nothing does.
   * @throws BadValue
   */
  readonly readConstants: (() => void) | undefined;
}

/**
 * Takes columns that are the same in all rows from where they stand. One that is a column of the file too must be the
 * same there.
 */
export function withConstants({ constants, indices }: RowShape, readers: readonly ColumnReader[]): ConstantColumns {
  if (constants === undefined) return { readers, readConstants: undefined };
  const isConstant = (name: string): boolean => constants.has(name);
  const cellReaders = readers.flatMap((reader) =>
    reader.columns.every(isConstant) ? [] : [reader.columns.some(isConstant) ? mixedReader(reader, constants) : reader],
  );
  const checks = [...constants].filter(([name]) => indices.has(name)).map(([name, value]) => checkReader(name, value));
  const reads = readers
    .filter(({ columns }) => columns.every(isConstant))
    .map((reader) => {
      const text = reader.columns.map((name) => constants.get(name)!).join(CELL_SEPARATOR);
      return () => readText(reader, text);
    });
  return {
    readers: [...cellReaders, ...checks],
    readConstants: () => {
      for (const read of reads) read();
    },
  };
}

function readText({ read, columns }: ColumnReader, text: string): void {
  try {
    read(text);
  } catch (error) {
    throw error instanceof BadValue
      ? new BadValue(
          `${error.expected} in column ${quoted(columns.join(', '))}, which the directory name sets to ${quoted(text)}`,
          error.cure,
        )
      : error;
  }
}

/** A reader of several columns, of which some do not stand in the cells. */
function mixedReader(reader: ColumnReader, constants: ReadonlyMap<string, string>): ColumnReader {
  const columns = reader.columns.filter((name) => !constants.has(name));
  return {
    columns,
    read: (text) => {
      const cells = text.split(CELL_SEPARATOR);
      // A cell may hold the separator; then it is the last one's, and what reads it will say so.
      let at = 0;
      reader.read(
        [...reader.columns.map((name) => constants.get(name) ?? cells[at++] ?? ''), ...cells.slice(at)].join(
          CELL_SEPARATOR,
        ),
      );
    },
  };
}

/** A column of a file must hold what the name of its folder says. */
function checkReader(name: string, value: string): ColumnReader {
  return {
    columns: [name],
    isKept: true,
    read: (text) => {
      if (text !== value)
        throw new BadValue(
          `${quoted(value)}, as in the directory name`,
          `rename the directory, or remove the column from the file`,
        );
    },
  };
}
