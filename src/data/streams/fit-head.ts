import type { Fitted } from '../../features/feature-types.js';
import { labelStorage, type RowFormat } from '../rows/row-format.js';
import type { LabeledRows } from '../batches/dataset.js';
import { RowFitter } from '../encoding/row-fitter.js';
import { skipBadRows } from '../rows/rejects.js';
import type { RowStream } from './chunk-stream.js';
import type { FollowedCounters } from './followed-counters.js';
import type { FollowedHistories } from './followed-histories.js';
import type { StreamReading } from './record-stream.js';
import { rowsOf } from './stream-batches.js';

/** What is learned from the first records of a stream before training. */
export interface StreamHead {
  readonly fitted: Fitted;
  readonly labels: LabeledRows;
}

/** Columns that are computed of the records in their order, before the first one. */
export interface HeadColumns {
  readonly counters?: FollowedCounters | undefined;
  readonly histories?: FollowedHistories | undefined;
}

/**
 * Fits vocabularies and scales on the first `fitRows` rows of a stream, or on all if it ends before.
 * @param onShare receives the share of these rows that was read
 * @param before counters and histories before the first row
 * @throws UserError (data) if no row is valid
 */
export async function fitHead(
  stream: RowStream,
  format: RowFormat,
  fitRows: number,
  reading: Omit<StreamReading, 'from' | 'isPreview'>,
  onShare: (share: number) => void,
  { counters, histories }: HeadColumns = {},
): Promise<StreamHead> {
  // Invalid records are reported when they are trained on, unless all are.
  const policy = skipBadRows(undefined, Infinity);
  const fitter = new RowFitter(format, policy, undefined, histories?.late);
  const labels = new Map(labelStorage(format).map(({ name }): [string, number[]] => [name, []]));
  let records = 0;
  const preview = { ...reading, from: undefined, isPreview: true, observer: histories };
  for await (const { chunk, columns, line } of stream.read(preview)) {
    const end = Math.min(chunk.rows, fitRows - records);
    const first = rowsOf(chunk, 0, end);
    const counted = counters?.add(first, columns) ?? first;
    const rows = fitter.observe(histories?.add(counted, columns) ?? counted, columns, line);
    counters?.move();
    for (const [name, values] of labels) {
      const column = fitter.labels.get(name)!;
      for (let row = 0; row < rows.count; row++) if (rows.isKept(row)) values.push(column[row]!);
    }
    records += end;
    onShare(records / fitRows);
    if (records === fitRows) break;
  }
  const fitted = fitter.finish([stream.name]);
  const block = {
    rows: fitter.count,
    labels: new Map([...labels].map(([name, each]) => [name, Float32Array.from(each)])),
  };
  return {
    fitted,
    labels: { rows: fitter.count, labelCounts: new Map(), labels: () => [block] },
  };
}
