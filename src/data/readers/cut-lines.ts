import type { Chunk } from '../../chunks/chunk.js';
import { PLAIN_CSV } from '../dialect.js';
import type { FileColumns, PlainLines } from './cell-file.js';
import { cellTexts } from './csv-cells.js';
import { returnCutRows, takeCutRows, type CutRows } from './cut-rows.js';
import { decimalCommaTexts } from './decimal-comma.js';
import { textChunk } from './text-chunk.js';
import { placeAfterLines } from './text-place.js';

const LF = 10;
const CR = 13;

/** Cuts plain lines into chunks of a few hundred rows, which stay in a processor's cache while they are read. */
export function* cutLines(file: FileColumns, { bytes, place }: PlainLines): Generator<Chunk> {
  const { delimiter, decimal } = file.dialect ?? PLAIN_CSV;
  const cut = takeCutRows(file.header.length, delimiter.charCodeAt(0));
  const columns = new Map(
    [...file.indices].map(([name, c]) => {
      const column = cut.column(c);
      return [name, { ...column, ...decimalCommaTexts(decimal, column.text) }];
    }),
  );
  const cellsOf = (row: number): string[] => cellTexts(cut.line(row), delimiter);
  try {
    let next = place;
    for (const { isCut, begin, end } of cutRanges(cut, bytes)) {
      const own = bytes.subarray(begin, end);
      const start = next;
      const placeAfter = start && ((numLines?: number) => placeAfterLines(start, own, numLines));
      if (isCut) {
        const { count: rows, lines, numLines } = cut;
        yield { rows, lines, numLines, columns, cellsOf, placeAfter };
      } else {
        const cells = cellTexts(own.subarray(0, own.at(-2) === CR ? -2 : -1), delimiter);
        yield textChunk(file, { rows: [cells], lines: [0], numLines: 1, placeAfter });
      }
      next = start?.after(own);
    }
  } finally {
    returnCutRows(cut);
  }
}

/** Lines that were cut into rows, or one with another number of values than the header or too long for the window. */
interface LineRange {
  readonly isCut: boolean;
  readonly begin: number;
  readonly end: number;
}

function* cutRanges(rows: CutRows, bytes: Buffer): Generator<LineRange> {
  let windowBegin = 0;
  let windowEnd = 0;
  for (let begin = 0; begin < bytes.length;) {
    if (begin >= windowEnd) {
      windowBegin = begin;
      windowEnd = begin + rows.fill(bytes, begin);
    }
    let end = windowBegin + rows.cut(begin - windowBegin);
    const isCut = end > begin;
    if (!isCut && windowBegin < begin && windowEnd < bytes.length) {
      // The line may continue after the window, which is filled from it on.
      windowEnd = begin;
      continue;
    }
    if (!isCut) end = bytes.indexOf(LF, begin) + 1;
    yield { isCut, begin, end };
    begin = end;
  }
}
