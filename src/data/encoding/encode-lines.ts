import { packRows } from '../../chunks/packed-rows.js';
import type { FileColumns } from '../readers/cell-file.js';
import { createLineCutter } from '../readers/cut-lines.js';
import { rowEncoder } from '../rows/row-collector.js';
import type { EncodedFormat } from '../rows/row-format.js';
import type { EncodeHere } from './encode-pool.js';

/** Creates the function with which each thread encodes plain lines. */
export function createLineEncoder(file: FileColumns, format: EncodedFormat, kept: readonly string[]): EncodeHere {
  const encoder = rowEncoder(file, format, kept);
  const cutLines = createLineCutter(file);
  return ({ bytes, memory, line }) => {
    const lines = {
      bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      begin: 0,
      end: bytes.byteLength,
    };
    let numLines = 0;
    for (const chunk of cutLines(lines)) {
      encoder.add(chunk, line + numLines);
      numLines += chunk.numLines;
    }
    const { batch, ...others } = encoder.take();
    return { ...others, rows: batch.rows, packed: packRows(batch, encoder.columns, memory), numLines };
  };
}
