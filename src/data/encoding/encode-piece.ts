import type { Fitted } from '../../features/feature-types.js';
import type { KeyTexts } from '../../core/row-key.js';
import { MAX_ROW_BYTES } from '../files/cell-file.js';
import type { RowShape } from '../files/row-reader.js';
import { createKeyReaders } from '../rows/key-readers.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import { blockColumns, blockReaders, createRowBlock } from '../rows/row-block.js';
import type { EncodedFormat, FormatSpec } from '../rows/row-format.js';
import type { LeftOut } from '../rows/row-rule.js';
import { createFiller } from './fill-blocks.js';
import { createKeptCells, type RowsBeside } from './kept-cells.js';
import { packRows } from './packed-rows.js';

// What every thread does that encodes plain rows. All that it stands on is loaded when a thread starts, so nothing here
// opens files.

/** What a thread must know that encodes rows. */
export interface EncoderSpec {
  readonly shape: RowShape;
  readonly spec: FormatSpec;
  readonly fitted: Fitted;
  /** Columns whose cells pass as they are. */
  readonly kept: readonly string[];
}

/** Whole plain rows to encode, and memory for what they become. */
export interface EncodeRequest {
  readonly bytes: Uint8Array;
  readonly memory: ArrayBuffer;
  /** Lines of the file before them, where a rule has to know. */
  readonly linesBefore: number;
}

/** What they became. */
export interface EncodeResult {
  readonly rows: number;
  readonly lines: number;
  /** With lines counted from 0. */
  readonly rejects: readonly BadRow[];
  readonly beside: RowsBeside;
  readonly leftOut: LeftOut;
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
  readonly packed: ArrayBuffer;
}

/** Encodes a piece of plain rows. */
export function createPieceEncoder(
  shape: RowShape,
  format: EncodedFormat,
  kept: readonly string[],
): (request: EncodeRequest) => EncodeResult {
  const columns = blockColumns(format);
  // As many rows as a piece can have: each cell ends with a byte, and a line of nothing else is none.
  const capacity = Math.ceil(MAX_ROW_BYTES / Math.max(2, shape.csv.header.length));
  const block = createRowBlock(columns, capacity);
  let rejects: BadRow[] = [];
  const policy: RejectPolicy = { count: 0, reject: (row) => void rejects.push(row) };
  const cells = createKeptCells(kept, shape, block);
  const keys = createKeyReaders(format.keys, format.spec.cells, block);
  const readers = [...blockReaders(block, format.fields, format.labels), ...keys.readers, ...cells.readers];
  const before = { lines: 0 };
  const { scanner, leftOut } = createFiller(
    shape,
    { format, readers, block, capacity, policy: cells.noting(policy) },
    before,
  );
  return ({ bytes, memory, linesBefore }) => {
    before.lines = linesBefore;
    block.rows = 0;
    rejects = [];
    leftOut.clear();
    const next = { line: 0 };
    scanner.start({
      bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      begin: 0,
      end: bytes.byteLength,
      next,
    });
    if (!scanner.scan()) throw new Error(`a piece of ${bytes.byteLength} bytes has more than ${capacity} rows`);
    return {
      rows: block.rows,
      lines: next.line,
      rejects,
      beside: cells.take(),
      leftOut: new Map(leftOut),
      keyTexts: keys.takeTexts(),
      packed: packRows(block, columns, memory),
    };
  };
}
