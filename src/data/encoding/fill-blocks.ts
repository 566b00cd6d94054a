import { PLAIN_CSV } from '../dialect.js';
import type { PlainBytes, ReadAhead } from '../files/cell-file.js';
import type { RejectPolicy } from '../rows/rejects.js';
import { cleanReaders } from '../rows/clean-cells.js';
import type { RowFormat } from '../rows/row-format.js';
import { countLeftOut, startRules, type LeftOut, type RulesInTurn } from '../rows/row-rule.js';
import { rowReader, type RowShape, type RowSource } from '../files/row-reader.js';
import type { ColumnReader } from '../rows/column-reader.js';
import { withConstants } from '../files/constant-columns.js';
import { columnsReader } from '../files/columns-reader.js';
import { createScanner, type Scanner } from '../files/scan.js';
import { withDecimal } from '../rows/decimal-comma.js';

/** What rows are read into. */
export interface RowTarget {
  readonly format: RowFormat;
  readonly readers: readonly ColumnReader[];
  /** Where readers write: to row `rows`. */
  readonly block: { rows: number; readonly labels: ReadonlyMap<string, Float32Array> };
  readonly capacity: number;
  readonly policy: RejectPolicy;
}

/** Where rows are read to. */
export interface ReadTarget extends RowTarget {
  /** Takes the rows of the block, whenever it is full and at the end. */
  onBlock(): Promise<void> | void;
  /** Told the share of the source that was read. */
  onShare(share: number): void;
  /** Who reads plain rows, where it is not this thread. */
  readonly elsewhere?: PlainReader | undefined;
}

/** Reads plain rows on its own, in their order, and takes them to where those of blocks go. */
export interface PlainReader extends ReadAhead {
  start(piece: PlainBytes): Promise<void>;
  /** Of the pieces that are settled. */
  readonly found: RowsFound;
}

/** What reading came to. */
export interface RowsFound {
  /** Rows that are kept. */
  readonly count: number;
  readonly leftOut: LeftOut;
}

/** The ways of rows into a block: as cells, as columns of cells, and as bytes of plain rows. */
export interface BlockFiller {
  readonly readRow: ReturnType<typeof rowReader>;
  readonly columnsReader: ReturnType<typeof columnsReader>;
  readonly scanner: Scanner;
  /** Counted on. */
  readonly leftOut: Map<string, number>;
}

/**
 * The ways of rows into a block.
 * @param before lines of the file that stand before those that are read, where these are counted from 0
 */
export function createFiller(
  source: RowShape,
  { format, readers, block, capacity, policy }: RowTarget,
  before = { lines: 0 },
): BlockFiller {
  const rules = startRules(format.rules, block);
  const others = withoutConstants(
    source,
    { ...rules.others, readers: [...readers, ...cleanReaders(rules.others.readers, format.spec.cells)] },
    before,
  );
  const first =
    rules.first &&
    withoutConstants(source, { ...rules.first, readers: cleanReaders(rules.first.readers, format.spec.cells) }, before);
  const readRow = rowReader(source, others.readers, others.settle, policy, first);
  const settle =
    first === undefined ? others.settle : (line: number): boolean => first.settle(line) && others.settle(line);
  const keepsAll =
    first === undefined
      ? others.keepsAll
      : (begin: number, end: number): boolean => first.keepsAll(begin, end) && others.keepsAll(begin, end);
  return {
    readRow,
    columnsReader: columnsReader(source, others.readers, block, others, policy, first),
    scanner: createScanner({
      width: source.csv.header.length,
      dialect: source.csv.dialect ?? PLAIN_CSV,
      indices: source.indices,
      readers: [...(first?.readers ?? []), ...others.readers],
      block,
      capacity,
      settle,
      keepsAll,
      readRow,
    }),
    leftOut: rules.leftOut,
  };
}

/** Rules, and the readers that they stand on, where some columns do not stand in the cells. */
function withoutConstants(
  source: RowShape,
  { readers, needsLine, settle, keepsAll }: RulesInTurn,
  before: { readonly lines: number },
): RulesInTurn {
  const { readers: cellReaders, readConstants } = withConstants(source, readers);
  const ofLine = needsLine === true ? (line: number): boolean => settle(before.lines + line) : settle;
  return {
    readers: withDecimal(cellReaders, source.csv.dialect?.decimal),
    ...(readConstants === undefined
      ? { settle: ofLine, keepsAll }
      : { settle: (line: number) => (readConstants(), ofLine(line)), keepsAll: () => false }),
  };
}

/**
 * Reads all rows of a file of cells, a block at a time.
 * @throws UserError (data) for a row that the policy does not let pass
 */
export async function readRows(source: RowSource, target: ReadTarget): Promise<RowsFound> {
  const { block, capacity, policy, onBlock, onShare, elsewhere } = target;
  const { readRow, columnsReader, scanner, leftOut } = createFiller(source, target);
  let count = 0;
  const flush = async (): Promise<void> => {
    count += block.rows;
    await onBlock();
    block.rows = 0;
  };
  for await (const piece of source.csv.pieces(elsewhere)) {
    if ('columns' in piece) {
      const take = columnsReader(piece);
      for (let begin = 0, end = 0; begin < piece.numRows; begin = end) {
        end = Math.min(piece.numRows, begin + capacity - block.rows);
        take(begin, end);
        if (block.rows === capacity) await flush();
      }
      // What was kept of its cells is not valid any more when the next piece comes.
      if (block.rows > 0) await flush();
    } else if (!('bytes' in piece)) {
      for (let r = 0; r < piece.rows.length; r++) {
        if (!readRow(piece.rows[r]!, piece.lines[r]!)) continue;
        if (++block.rows === capacity) await flush();
      }
      if (piece.bad !== undefined) {
        const { line, expected, text } = piece.bad;
        policy.reject({ path: source.csv.path, line, column: undefined, value: undefined, expected, cells: [text] });
      }
    } else if (elsewhere !== undefined) {
      // What comes of it stands behind what was read here.
      if (block.rows > 0) await flush();
      await elsewhere.start(piece);
    } else {
      scanner.start(piece);
      for (let isDone = false; !isDone;) {
        isDone = scanner.scan();
        // Also where the piece ends with the block: what comes next may be rows.
        if (block.rows === capacity) await flush();
      }
    }
    onShare(piece.progress);
  }
  await elsewhere?.settle();
  await flush();
  if (elsewhere === undefined) return { count, leftOut };
  countLeftOut(leftOut, elsewhere.found.leftOut);
  return { count: count + elsewhere.found.count, leftOut };
}
