import type { Fitted } from '../../features/feature-types.js';
import { labelStorage, type RowFormat } from '../rows/row-format.js';
import { numberColumn } from '../../core/batch.js';
import type { LabeledRows } from '../batches/dataset.js';
import { RowFitter } from '../encoding/row-fitter.js';
import { skipBadRows } from '../rows/rejects.js';
import { extendRows, type RowState } from './row-state.js';
import type { RowStream } from './chunk-stream.js';
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
  // Invalid records are reported when they are trained on, unless all are.
  const policy = skipBadRows(undefined, Infinity);
  const fitter = new RowFitter(
    format,
    policy,
    undefined,
    states.flatMap(({ late }) => late),
  );
  const labels = new Map(labelStorage(format).map(({ name }): [string, number[]] => [name, []]));
  let records = 0;
  const preview = {
    ...reading,
    from: undefined,
    isPreview: true,
    observers: states.flatMap(({ observers }) => observers),
  };
  for await (const each of stream.read(preview)) {
    const { chunk, columns, line } = each;
    const end = Math.min(chunk.rows, fitRows - records);
    const first = sliceRows(chunk, 0, end);
    const rows = fitter.observe(extendRows(states, first, columns), columns, line);
    for (const state of states) state.move(each.cursorAfter(end, true));
    for (const [name, values] of labels) {
      const own = fitter.label(name);
      for (let row = 0; row < rows.count; row++) if (rows.isKept(row)) values.push(own[row]!);
    }
    records += end;
    onShare(records / fitRows);
    if (records === fitRows) break;
  }
  const fitted = fitter.finish([stream.name]);
  const block = {
    rows: fitter.count,
    columns: new Map([...labels].map(([name, each]) => [name, numberColumn(Float32Array.from(each))])),
  };
  return {
    fitted,
    labels: { rows: fitter.count, labelCounts: new Map(), labels: () => [block] },
  };
}
