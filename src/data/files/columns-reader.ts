import { quoted, userError } from '../../errors.js';
import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { ColumnReader } from '../rows/column-reader.js';
import { itemsJson } from '../rows/items-json.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { RulesInTurn } from '../rows/row-rule.js';
import type { CellColumn, CellColumns } from './cell-file.js';
import type { RowShape } from './row-reader.js';

/** Takes a row of some columns to a reader. */
type Take = (row: number) => void;

/** Ids go up to this one. */
const END_OF_IDS = 2 ** 31;

/**
 * The way of the rows of columns through the column readers.
 * @param block where readers write: to row `rows`
 * @param settle whether the row is kept that was just read
 * @param first what decides before the readers see the row
 * @returns for a piece, a function that is true for a row that is kept; the policy has those that a reader or `settle` refuses
 */
export function columnsReader(
  { csv }: RowShape,
  readers: readonly ColumnReader[],
  block: { readonly rows: number },
  settle: (line: number) => boolean,
  policy: RejectPolicy,
  first?: RulesInTurn,
): (piece: CellColumns) => (row: number) => boolean {
  const all = [...(first?.readers ?? []), ...readers];
  const numFirst = first?.readers.length ?? 0;
  return ({ columns, path, firstRow, lines }) => {
    const takes = all.map((reader) => takeOf(reader, reader.columns.map((name) => columns.get(name)!), block, path));
    const textOf = (name: string, row: number): string => columns.get(name)?.text(row) ?? '';
    return (row) => {
      let at = 0;
      const line = lines?.[row] ?? firstRow + row;
      try {
        for (; at < numFirst; at++) takes[at]!(row);
        // What it throws is of no column that is read next.
        at = takes.length;
        if (first?.settle(line) === false) return false;
        at = numFirst;
        for (; at < takes.length; at++) takes[at]!(row);
        return settle(line);
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        const names = all[at]?.columns;
        policy.reject({
          path,
          line,
          cells: csv.header.map((name) => textOf(name, row)),
          column: names?.join(', '),
          value: names?.map((name) => textOf(name, row)).join(CELL_SEPARATOR),
          expected: error.expected,
          cure: error.cure,
        });
        return false;
      }
    };
  };
}

function takeOf(reader: ColumnReader, columns: readonly CellColumn[], block: { readonly rows: number }, path: string): Take {
  const [first, ...rest] = columns as [CellColumn, ...CellColumn[]];
  const { items, vectors, numbers, text } = first;
  // The text of a list of numbers is a list of numbers in JSON.
  if (reader.isKept === true) return items === undefined || vectors !== undefined ? (row) => reader.read(text(row)) : (row) => reader.read(itemsJson(items(row)));
  if (rest.length === 0 && vectors !== undefined && reader.readNumbers !== undefined) {
    const readNumbers = reader.readNumbers.bind(reader);
    return (row) => readNumbers(vectors(row));
  }
  if (rest.length === 0 && items !== undefined && reader.readItems !== undefined) {
    const readItems = reader.readItems.bind(reader);
    return (row) => readItems(items(row));
  }
  const list = columns.findIndex((column) => column.items !== undefined);
  if (list >= 0) {
    throw userError('data', { where: path, key: `column ${quoted(reader.columns[list]!)}`, message: `is ${columns[list]!.type}, and the config reads it as one value a row`, fix: "make it a feature of type 'bag', or of type 'vector' where it is a list of numbers" });
  }
  if (rest.length > 0) {
    return (row) => {
      for (const { listOf } of columns) if (listOf?.(row) !== undefined) throw ONE_VALUE;
      reader.read(rest.reduce((joined, column) => joined + CELL_SEPARATOR + column.text(row), text(row)));
    };
  }
  // The numbers of a vector are read from the text of a list.
  const read = first.listOf === undefined || reader.readNumbers !== undefined ? (row: number): void => reader.read(text(row)) : mixedTake(reader, first, first.listOf);
  return (numbers !== undefined && directTake(reader, numbers, block, read)) || read;
}

const ONE_VALUE = new BadValue('one value, not a list', "correct the row, or where all rows have lists, make the column a feature of type 'bag'");

/** The way of cells that are texts or lists. */
function mixedTake(reader: ColumnReader, { text }: CellColumn, listOf: NonNullable<CellColumn['listOf']>): Take {
  return (row) => {
    const list = listOf(row);
    if (list === undefined) reader.read(text(row));
    else if (reader.readItems === undefined) throw ONE_VALUE;
    else reader.readItems(list);
  };
}

/** The way of numbers that need not become text, to what their text would give; all that is unusual goes through `read`. */
function directTake({ direct }: ColumnReader, { values, isWhole }: NonNullable<CellColumn['numbers']>, block: { readonly rows: number }, read: Take): Take | undefined {
  if (direct === undefined) return undefined;
  if (direct.cell === 'class') {
    const { into } = direct;
    return (row) => {
      const value = values[row]!;
      if (value === 0 || value === 1) into[block.rows] = value;
      else read(row);
    };
  }
  if (direct.cell === 'number') {
    const { into, encode } = direct;
    return (row) => {
      const value = values[row]!;
      if (!Number.isFinite(Math.fround(value))) read(row);
      else into[block.rows] = encode === undefined ? value : encode(value);
    };
  }
  // A token is looked up by its text, and the text of 1 as a float is 1.0, which is no id.
  if (direct.cell !== 'id' || !isWhole) return undefined;
  const { into } = direct;
  const below = Math.min(direct.below, END_OF_IDS);
  return (row) => {
    const value = values[row]!;
    if (value >= 0 && value < below) into[block.rows] = value;
    else read(row);
  };
}
