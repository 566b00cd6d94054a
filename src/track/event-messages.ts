import protobuf from 'protobufjs/minimal.js';
import { BINS_PER_UNIT, computeBinCenter, type ScoreBins } from '../evaluation/score-bins.js';

// Messages of TensorBoard's event files, with their field numbers from tensorboard/compat/proto/event.proto,
// summary.proto, histogram.proto and plugins/hparams/plugin_data.proto.

type Message = protobuf.Writer;
const message = (): Message => protobuf.Writer.create();
const bytesField = (writer: Message, field: number, value: Message): Message =>
  writer.uint32((field << 3) | 2).bytes(value.finish());
const textField = (writer: Message, field: number, value: string): Message =>
  writer.uint32((field << 3) | 2).string(value);
const doubleField = (writer: Message, field: number, value: number): Message =>
  writer.uint32((field << 3) | 1).double(value);
const intField = (writer: Message, field: number, value: number): Message => writer.uint32(field << 3).int64(value);

function event(seconds: number, step: number): Message {
  return intField(doubleField(message(), 1, seconds), 2, step);
}

/** Encodes the first record of a file. */
export function versionEvent(seconds: number): Uint8Array {
  return textField(event(seconds, 0), 3, 'brain.Event:2').finish();
}

/** Encodes the scalars of a step. */
export function scalarsEvent(seconds: number, step: number, values: Readonly<Record<string, number>>): Uint8Array {
  const summary = message();
  for (const [tag, value] of Object.entries(values))
    bytesField(
      summary,
      1,
      textField(message(), 1, tag)
        .uint32((2 << 3) | 5)
        .float(value),
    );
  return bytesField(event(seconds, step), 5, summary).finish();
}

/** Number of fine bins per histogram bucket. */
const COARSE = BINS_PER_UNIT / 4;

/** Encodes histograms of predictions at a step. Bucket limits are probabilities at equal distances in logits. */
export function histogramsEvent(
  seconds: number,
  step: number,
  histograms: Readonly<Record<string, ScoreBins>>,
): Uint8Array {
  const summary = message();
  for (const [tag, bins] of Object.entries(histograms))
    bytesField(summary, 1, bytesField(textField(message(), 1, tag), 5, histogram(bins)));
  return bytesField(event(seconds, step), 5, summary).finish();
}

function histogram({ rows, predicted, at: bins, negatives, truths }: ScoreBins): Message {
  // A bucket extends from the previous limit to its own, so empty buckets are included.
  const [first, last] = [Math.floor(bins[0]! / COARSE), Math.floor(bins.at(-1)! / COARSE)];
  const limits = new Float64Array(last - first + 1);
  for (let i = 0; i < limits.length; i++) limits[i] = 1 / (1 + Math.exp((-(first + i + 1) * COARSE) / BINS_PER_UNIT));
  const counts = new Float64Array(limits.length);
  let squares = 0;
  for (let i = 0; i < bins.length; i++) {
    const count = negatives[i]! + truths[i]!;
    counts[Math.floor(bins[i]! / COARSE) - first]! += count;
    squares += count * computeBinCenter(bins[i]!) ** 2;
  }
  const encoded = message();
  for (const [i, value] of [
    computeBinCenter(bins[0]!),
    computeBinCenter(bins.at(-1)!),
    rows,
    predicted,
    squares,
  ].entries())
    doubleField(encoded, i + 1, value);
  const packed = (field: number, values: Float64Array): Message => {
    const packedValues = message();
    for (let i = 0; i < values.length; i++) packedValues.double(values[i]!);
    return bytesField(encoded, field, packedValues);
  };
  packed(6, limits);
  return packed(7, counts);
}

/** Encodes the config for the HParams plugin. */
export function sessionStartEvent(
  seconds: number,
  hparams: ReadonlyMap<string, string | number | boolean>,
): Uint8Array {
  const start = message();
  for (const [key, value] of hparams)
    bytesField(start, 1, bytesField(textField(message(), 1, key), 2, encodeValue(value)));
  return hparamsEvent(seconds, '_hparams_/session_start_info', 3, doubleField(start, 5, seconds));
}

/** Encodes how a run ended: 1 for success, 2 for failure. */
export function sessionEndEvent(seconds: number, status: 1 | 2): Uint8Array {
  return hparamsEvent(
    seconds,
    '_hparams_/session_end_info',
    4,
    doubleField(intField(message(), 1, status), 2, seconds),
  );
}

function encodeValue(value: string | number | boolean): Message {
  if (typeof value === 'number') return doubleField(message(), 2, value);
  return typeof value === 'string'
    ? textField(message(), 3, value)
    : message()
        .uint32(4 << 3)
        .bool(value);
}

/** Encodes a summary whose content is in the plugin data; the tensor is a single 0. */
function hparamsEvent(seconds: number, tag: string, field: number, data: Message): Uint8Array {
  const plugin = bytesField(textField(message(), 1, 'hparams'), 2, bytesField(message(), field, data));
  const shape = bytesField(message(), 2, intField(message(), 1, 1));
  const tensor = bytesField(intField(message(), 1, 1), 2, shape)
    .uint32((5 << 3) | 5)
    .float(0);
  const value = bytesField(bytesField(textField(message(), 1, tag), 8, tensor), 9, bytesField(message(), 1, plugin));
  return bytesField(event(seconds, 0), 5, bytesField(message(), 1, value)).finish();
}
