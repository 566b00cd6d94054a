import { WORD } from '../compile/buffers.js';
import type { TablePlace } from '../compile/tables.js';
import type { Image } from '../state/image.js';
import type { Gpu } from './adapter.js';
import type { DeviceBuffers } from './device-buffers.js';
import type { DeviceMemory, TablePart } from './memory.js';
import { RowCopies } from './row-copies.js';
import type { Transfers } from './transfers.js';

/** Rows of a table: a number of first ones, or some by number in ascending order. */
export type TableRows = number | Uint32Array;

/** Copies rows of tables between a device and an image of its memory on the host. */
export interface TableTransfers {
  readRows(table: TablePlace, rows: TableRows): Promise<void>;
  /** Writes rows after the commands that were submitted so far, and before later ones. */
  writeRows(table: TablePlace, rows: TableRows): void;
  dispose(): void;
}

/** Maximum bytes of rows per copy. */
const PIECE_BYTES = 1 << 26;

/** Rows of a part of a table that are copied at once. */
interface RowPiece {
  readonly part: TablePart;
  /** The first of `count` consecutive rows, or all of them. */
  readonly rows: TableRows;
  readonly count: number;
}

function* listPieces({ partsOf }: DeviceMemory, table: TablePlace, rows: TableRows): Generator<RowPiece> {
  const maxRows = Math.max(1, Math.floor(PIECE_BYTES / WORD / table.stride));
  let next = 0;
  for (const part of partsOf(table)) {
    if (typeof rows === 'number') {
      const end = Math.min(rows, part.rowEnd);
      for (let row = part.rowBegin; row < end; row += maxRows)
        yield { part, rows: row, count: Math.min(maxRows, end - row) };
      continue;
    }
    let begin = next;
    while (next < rows.length && rows[next]! < part.rowEnd) next++;
    for (; begin < next; begin += maxRows) {
      const some = rows.subarray(begin, Math.min(next, begin + maxRows));
      yield { part, rows: some, count: some.length };
    }
  }
}

/** Creates the transfers of a program's tables. */
export function createTableTransfers(
  gpu: Gpu,
  memory: DeviceMemory,
  buffers: DeviceBuffers,
  { words, wordAt }: Image,
  { take }: Pick<Transfers, 'take'>,
): TableTransfers {
  const { queue } = gpu.device;
  const copies = new RowCopies(gpu, buffers);
  const bufferAt = ({ at, rowBegin, table }: TablePart, row: number): number => at + (row - rowBegin) * table.stride;
  return {
    async readRows(table, rows) {
      const { stride } = table;
      const first = wordAt(table.at);
      for (const { part, rows: some, count } of listPieces(memory, table, rows)) {
        const encoder = gpu.device.createCommandEncoder();
        if (typeof some === 'number') {
          const into = (found: Uint32Array): void => words.set(found, first + some * stride);
          const from = buffers.tables[part.buffer]!;
          await take(encoder, [{ from, at: bufferAt(part, some), words: count * stride, into }]);
          continue;
        }
        const into = (found: Uint32Array): void => {
          for (const [i, row] of some.entries())
            words.set(found.subarray(i * stride, (i + 1) * stride), first + row * stride);
        };
        const from = copies.gather(encoder, part, some);
        await take(encoder, [{ from, at: 0, words: count * stride, into }]);
      }
    },
    writeRows(table, rows) {
      const { stride } = table;
      const first = wordAt(table.at);
      for (const { part, rows: some, count } of listPieces(memory, table, rows)) {
        if (typeof some === 'number') {
          const into = buffers.tables[part.buffer]!;
          queue.writeBuffer(into, bufferAt(part, some) * WORD, words, first + some * stride, count * stride);
          continue;
        }
        const values = new Uint32Array(count * stride);
        for (const [i, row] of some.entries()) {
          const at = first + row * stride;
          values.set(words.subarray(at, at + stride), i * stride);
        }
        const encoder = gpu.device.createCommandEncoder();
        copies.scatter(encoder, part, some, values);
        gpu.submit(encoder);
      }
    },
    dispose: () => copies.dispose(),
  };
}
