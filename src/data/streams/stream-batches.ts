import { sliceChunk, type Chunk } from '../../chunks/chunk.js';
import type { Batch } from '../../core/batch.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { withGroups } from '../batches/dataset.js';
import type { FileColumns } from '../readers/cell-file.js';
import { itemAdder } from '../rows/event-columns.js';
import { rowEncoder, type RowCollector } from '../rows/row-collector.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { extendRows, type RowState } from './row-state.js';
import { countLines, type RowStream, type StreamChunk } from './chunk-stream.js';
import type { DeadLetters } from './dead-letters.js';
import type { StreamCursor, StreamReading } from './record-stream.js';
import { SchemaWatch, type SchemaChange } from './schema-watch.js';

/** A batch of valid records of a stream, in order. */
export interface StreamBatch {
  /** Valid until the next batch is requested. */
  readonly batch: Batch;
  /** Position after its last record; undefined after the last batch of a preview. */
  readonly cursor: StreamCursor;
  /** Records since the batch before, with those that are not in the batch. */
  readonly records: number;
}

/** How records become batches. */
export interface StreamBatchOptions {
  readonly stream: RowStream;
  readonly format: EncodedFormat;
  readonly batchRows: number;
  /** What earlier records leave behind; rows are extended in this order. */
  readonly states: readonly RowState[];
  onSchemaChange(change: SchemaChange): void;
  /** Receives each invalid record when it is read, before the batch that follows it; may throw to end the read. */
  readonly letters: Pick<DeadLetters, 'add'>;
}

/**
 * Reads batches of `batchRows` valid records; the last batch of a preview may have fewer. A batch is encoded when it is
 * requested, and no record after its last one is, so that encoders which change with each record have the state after
 * that record.
 * @param first readers before the readers of the format
 */
export async function* readStreamBatches(
  { stream, format, batchRows, states, letters, onSchemaChange }: StreamBatchOptions,
  first: readonly ReadColumns[],
  reading: StreamReading,
): AsyncGenerator<StreamBatch> {
  const addItems = itemAdder(format.fields);
  const readers = [...first, ...states.flatMap((state) => state.readers)];
  const late = states.flatMap((state) => state.late);
  const observers = states.flatMap((state) => state.observers);
  const schema = new SchemaWatch();
  let collector: RowCollector | undefined;
  let file: FileColumns | undefined;
  let [records, numRejects] = [0, 0];
  /** Encodes some rows of a chunk. */
  const add = ({ columns, line, placeOf }: StreamChunk, rows: Chunk): void => {
    const added = countLines(rows);
    if (added === 0) return;
    records += added;
    collector ??= rowEncoder(columns, format, undefined, readers, late);
    if (file !== undefined && file !== columns) collector.startFile(columns);
    file = columns;
    collector.add(extendRows(states, rows, columns), line);
    const rejects = collector.rejects.slice(numRejects);
    numRejects += rejects.length;
    for (const row of rejects) letters.add(placeOf === undefined ? row : { ...row, ...placeOf(row.line - line) });
  };
  const take = (cursor: StreamCursor): StreamBatch => {
    const { batch } = collector!.take();
    numRejects = 0;
    const taken = { batch: withGroups(addItems?.(batch) ?? batch, format.spec.lossKeys ?? []), cursor, records };
    records = 0;
    return taken;
  };
  for await (const each of stream.read({ ...reading, observers })) {
    const change = schema.observe(each);
    if (change !== undefined) onSchemaChange(change);
    const { chunk } = each;
    for (let begin = 0, end; begin < chunk.rows; begin = end) {
      end = Math.min(chunk.rows, begin + batchRows - (collector?.rows ?? 0));
      add(each, sliceRows(chunk, begin, end));
      if (collector!.rows === batchRows) yield take(each.cursorAfter(end, true));
    }
    add(each, sliceRows(chunk, chunk.rows, chunk.rows));
  }
  if (reading.isPreview === true && collector !== undefined && collector.rows > 0) yield take(undefined);
}

/** Returns rows `begin` to `end`, with the invalid lines before each; after the last row, those at the end. */
export function sliceRows(chunk: Chunk, begin: number, end: number): Chunk {
  const { rows, invalid = [] } = chunk;
  if (begin === 0 && end === rows && invalid.length === 0) return chunk;
  const isEnd = begin === rows;
  const own = invalid.filter(({ before }) => before >= begin && (before < end || isEnd));
  return { ...sliceChunk(chunk, begin, end), invalid: own.map((each) => ({ ...each, before: each.before - begin })) };
}
