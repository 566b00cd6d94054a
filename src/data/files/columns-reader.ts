import { quoted, userError } from '../../core/errors.js';
import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { ColumnReader, DirectCells } from '../rows/column-reader.js';
import { itemsJson } from '../rows/items-json.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { RulesInTurn } from '../rows/row-rule.js';
import type { CellColumn, CellColumns } from './cell-file.js';
import { encodeNumbers } from './encode-numbers.js';
import { createOddCells, type OddCells } from './odd-cells.js';
import type { RowShape } from './row-reader.js';

/** Takes a row of some columns to a reader. */
type Take = (row: number) => void;

/**
 * Takes rows of a column, up to `end`, to row `first` of a block and behind it, and gives of how many rows the cells
 * are something else: those of `odd.rows`, from 0 on.
 */
type TakeAll = (begin: number, end: number, first: number) => number;

/** Ids go up to this one. */
const END_OF_IDS = 2 ** 31;
/** Rows of a column that are taken together: what becomes of them stays in a processor's own memory. */
const MAX_ROWS = 1 << 9;

/**
 * The way of the rows of columns through the column readers. Cells that are numbers are taken a column at a time as far
 * as they are usual; all others one by one.
 * @param block where readers write: to row `rows`
 * @param settle whether the row is kept that was just read
 * @param first what decides before the readers see the row
 * @returns for a piece, a function that takes its rows up to `end` to the block, which has room for them; the policy
 * has those that a reader or `settle` refuses
 */
export function columnsReader(
  { csv }: RowShape,
  readers: readonly ColumnReader[],
  block: { rows: number },
  { settle, keepsAll }: Pick<RulesInTurn, 'settle' | 'keepsAll'>,
  policy: RejectPolicy,
  first?: RulesInTurn,
): (piece: CellColumns) => (begin: number, end: number) => void {
  const all = [...(first?.readers ?? []), ...readers];
  const numFirst = first?.readers.length ?? 0;
  const odd = createOddCells(MAX_ROWS, all.length);
  return ({ columns, path, firstRow, lines }) => {
    const ways = all.map((reader) =>
      wayOf(
        reader,
        reader.columns.map((name) => columns.get(name)!),
        block,
        path,
        odd,
      ),
    );
    const takes = ways.map(({ take }) => take);
    const singles = ways.map(({ takeAll }, at) => (takeAll === undefined ? at : -1)).filter((at) => at >= 0);
    const numFirstSingles = singles.filter((at) => at < numFirst).length;
    const direct = ways.flatMap(({ takeAll }, at) =>
      takeAll === undefined ? [] : [{ at, takeAll, into: all[at]!.direct!.into }],
    );
    const textOf = (name: string, row: number): string => columns.get(name)?.text(row) ?? '';

    /** Reads a row as a whole, and tells what is wrong with it; true where it is kept. */
    const readRow = (row: number): boolean => {
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

    /** Whether a row is kept, whose usual numbers are taken. */
    const isKept = (begin: number, i: number): boolean => {
      const row = begin + i;
      const line = lines?.[row] ?? firstRow + row;
      const isOdd = odd.has(i);
      try {
        if (odd.isBad[i] === 0) {
          let s = 0;
          for (; s < numFirstSingles; s++) takes[singles[s]!]!(row);
          if (first !== undefined) {
            if (isOdd) odd.each(i, (c) => direct[c]!.at < numFirst && takes[direct[c]!.at]!(row));
            if (!first.settle(line)) return false;
          }
          for (; s < singles.length; s++) takes[singles[s]!]!(row);
          if (isOdd) odd.each(i, (c) => direct[c]!.at >= numFirst && takes[direct[c]!.at]!(row));
          return settle(line);
        }
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
      }
      return readRow(row);
    };

    return (from, to) => {
      for (let begin = from; begin < to; begin += MAX_ROWS) {
        const rows = Math.min(MAX_ROWS, to - begin);
        const firstOfBlock = block.rows;
        odd.clear(rows);
        for (let c = 0; c < direct.length; c++) odd.add(c, direct[c]!.takeAll(begin, begin + rows, firstOfBlock));
        const end = firstOfBlock + rows;
        if (
          singles.length === 0 &&
          !odd.hasAmong(rows) &&
          first?.keepsAll(firstOfBlock, end) !== false &&
          keepsAll(firstOfBlock, end)
        ) {
          block.rows = end;
          continue;
        }
        for (let i = 0; i < rows; i++) {
          const into = block.rows;
          // One before it was not kept.
          if (into < firstOfBlock + i) for (const column of direct) column.into[into] = column.into[firstOfBlock + i]!;
          if (isKept(begin, i)) block.rows = into + 1;
        }
      }
    };
  };
}

/** The way of cells to a reader: a row at a time, and the usual ones of many rows where they are numbers. */
function wayOf(
  reader: ColumnReader,
  columns: readonly CellColumn[],
  block: { readonly rows: number },
  path: string,
  odd: OddCells,
): { readonly take: Take; readonly takeAll: TakeAll | undefined } {
  const take = takeOf(reader, columns, block, path);
  const [{ numbers, items, vectors }] = columns as [CellColumn];
  const isNumbers = columns.length === 1 && reader.isKept !== true && items === undefined && vectors === undefined;
  return {
    take,
    takeAll:
      isNumbers && numbers !== undefined && reader.direct !== undefined
        ? takeAllOf(reader.direct, numbers, odd)
        : undefined,
  };
}

function takeOf(
  reader: ColumnReader,
  columns: readonly CellColumn[],
  block: { readonly rows: number },
  path: string,
): Take {
  const [first, ...rest] = columns as [CellColumn, ...CellColumn[]];
  const { items, vectors, numbers, text } = first;
  // The text of a list of numbers is a list of numbers in JSON.
  if (reader.isKept === true)
    return items === undefined || vectors !== undefined
      ? (row) => reader.read(text(row))
      : (row) => reader.read(itemsJson(items(row)));
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
    throw userError('data', {
      where: path,
      key: `column ${quoted(reader.columns[list]!)}`,
      message: `is ${columns[list]!.type}, but the config expects one value per row`,
      fix: 'set type: bag for the feature, or type: vector for a list of numbers',
    });
  }
  if (rest.length > 0) {
    return (row) => {
      for (const { listOf } of columns) if (listOf?.(row) !== undefined) throw ONE_VALUE;
      reader.read(rest.reduce((joined, column) => joined + CELL_SEPARATOR + column.text(row), text(row)));
    };
  }
  // The numbers of a vector are read from the text of a list.
  const read =
    first.listOf === undefined || reader.readNumbers !== undefined
      ? (row: number): void => reader.read(text(row))
      : mixedTake(reader, first, first.listOf);
  return (numbers !== undefined && directTake(reader, numbers, block, read)) || read;
}

const ONE_VALUE = new BadValue(
  'one value, not a list',
  'correct the row; if every row has a list, set type: bag for the feature',
);

/** The way of cells that are texts or lists. */
function mixedTake(reader: ColumnReader, { text }: CellColumn, listOf: NonNullable<CellColumn['listOf']>): Take {
  return (row) => {
    const list = listOf(row);
    if (list === undefined) reader.read(text(row));
    else if (reader.readItems === undefined) throw ONE_VALUE;
    else reader.readItems(list);
  };
}

const isClass = (value: number): boolean => value === 0 || value === 1;
const isId = (value: number, below: number): boolean => value >= 0 && value < below;
/** One that a float of 32 bits can hold. */
const isNumber = (value: number): boolean => Number.isFinite(Math.fround(value));
const endOf = (below: number): number => Math.min(below, END_OF_IDS);

/** The way of a number that need not become text, to what its text would give; what is unusual goes through `read`. */
function directTake(
  { direct }: ColumnReader,
  { values, isWhole }: NonNullable<CellColumn['numbers']>,
  block: { readonly rows: number },
  read: Take,
): Take | undefined {
  // A token is looked up by its text, and the text of 1 as a float is 1.0, which is no id.
  if (direct === undefined || direct.cell === 'token' || (direct.cell === 'id' && !isWhole)) return undefined;
  const { into } = direct;
  const isUsual =
    direct.cell === 'class'
      ? isClass
      : direct.cell === 'number'
        ? isNumber
        : (value: number): boolean => isId(value, endOf(direct.below));
  const encode = direct.cell === 'number' ? direct.encode : undefined;
  return (row) => {
    const value = values[row]!;
    if (isUsual(value)) into[block.rows] = encode === undefined ? value : encode(value);
    else read(row);
  };
}

/** The same of many. */
function takeAllOf(
  direct: DirectCells,
  { values, isWhole }: NonNullable<CellColumn['numbers']>,
  odd: OddCells,
): TakeAll | undefined {
  const oddRows = odd.rows;
  if (direct.cell === 'class') {
    const { into } = direct;
    return (begin, end, first) => {
      let numOdd = 0;
      for (let row = begin; row < end; row++) {
        const value = values[row]!;
        into[first + row - begin] = value;
        if (!isClass(value)) oddRows[numOdd++] = row - begin;
      }
      return numOdd;
    };
  }
  if (direct.cell === 'number') return (begin, end, first) => encodeNumbers(values, begin, end, direct, first, odd);
  if (direct.cell !== 'id' || !isWhole) return undefined;
  const { into } = direct;
  const below = endOf(direct.below);
  return (begin, end, first) => {
    let numOdd = 0;
    for (let row = begin, to = first; row < end; row++, to++) {
      const value = values[row]!;
      // Every id is a number of 32 bits with a sign, and one that is none is another number then.
      const id = value | 0;
      into[to] = id;
      if (id !== value || id < 0 || id >= below) oddRows[numOdd++] = row - begin;
    }
    return numOdd;
  };
}
