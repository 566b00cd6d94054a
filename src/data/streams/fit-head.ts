import type { Fitted } from '../../features/feature-types.js';
import type { LabeledRows } from '../batches/dataset.js';
import { HeldLabels } from '../batches/held-labels.js';
import { fitChunks } from '../encoding/fit-chunks.js';
import { skipBadRows } from '../rows/rejects.js';
import type { RowFormat } from '../rows/row-format.js';
import { extendRows, type RowState } from './row-state.js';
import type { RowStream, StreamChunk } from './chunk-stream.js';
import type { StreamReading } from './record-stream.js';
import { sliceRows } from './stream-batches.js';

/** What is learned from the first records of a stream before training. */
export interface StreamHead {
  readonly fitted: Fitted;
  readonly labels: LabeledRows;
}

/**
 * Fits vocabularies and scales on the first `fitRows` rows of a stream, or on all if it ends before.
 * @param onShare receives the share of the first rows that was read
 * @param states before the first row
 * @throws UserError (data) if no row is valid
 */
export async function fitHead(
  stream: RowStream,
  format: RowFormat,
  fitRows: number,
  reading: Omit<StreamReading, 'from' | 'isPreview'>,
  onShare: (share: number) => void,
  states: readonly RowState[] = [],
): Promise<StreamHead> {
  const labels = new HeldLabels(format);
  async function* head(): AsyncGenerator<StreamChunk> {
    let records = 0;
    const observers = states.flatMap((state) => state.observers);
    for await (const each of stream.read({ ...reading, from: undefined, isPreview: true, observers })) {
      const { chunk, columns } = each;
      const end = Math.min(chunk.rows, fitRows - records);
      yield { ...each, chunk: extendRows(states, sliceRows(chunk, 0, end), columns) };
      for (const state of states) state.move(each.cursorAfter(end, true));
      records += end;
      onShare(records / fitRows);
      if (records === fitRows) break;
    }
  }
  // Invalid records are reported when they are trained on, unless all are.
  const fitted = await fitChunks(head(), [stream.name], format, skipBadRows(undefined, Infinity), {
    last: states.flatMap(({ late }) => late),
    onRows: (rows, batch) => labels.add(batch, rows),
  });
  return { fitted, labels };
}
