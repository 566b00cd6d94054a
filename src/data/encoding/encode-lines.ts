import { packRows } from '../../chunks/packed-rows.js';
import type { Fitted } from '../../features/feature-types.js';
import type { FileColumns } from '../readers/cell-file.js';
import { cutLines } from '../readers/cut-lines.js';
import { rowEncoder, type EncodedBatch } from '../rows/row-collector.js';
import type { EncodedFormat, FormatSpec } from '../rows/row-format.js';

/** Plain lines to encode, memory for the encoded rows, and the number of the first line. */
export interface EncodeRequest {
  readonly bytes: Uint8Array;
  readonly memory: ArrayBuffer;
  readonly line: number;
}

/** Encoded rows of plain lines. */
export interface EncodeResult extends Omit<EncodedBatch, 'batch'> {
  readonly rows: number;
  readonly packed: ArrayBuffer;
  readonly numLines: number;
}

/** Start data of an encoding thread. */
export interface WorkerSpec {
  readonly file: FileColumns;
  readonly spec: FormatSpec;
  readonly fitted: Fitted;
  readonly kept: readonly string[];
}

/** Creates the function with which each thread encodes plain lines. */
export function createLineEncoder(
  file: FileColumns,
  format: EncodedFormat,
  kept: readonly string[],
): (request: EncodeRequest) => EncodeResult {
  const encoder = rowEncoder(file, format, kept);
  return ({ bytes, memory, line }) => {
    const lines = { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    let numLines = 0;
    for (const chunk of cutLines(file, lines)) {
      encoder.add(chunk, line + numLines);
      numLines += chunk.numLines;
    }
    const { batch, ...others } = encoder.take();
    return { ...others, rows: batch.rows, packed: packRows(batch, encoder.columns, memory), numLines };
  };
}
