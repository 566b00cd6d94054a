import { basename, join, dirname } from 'node:path';
import { z } from 'zod';
import { replace, writeSynced } from '../io/disk.js';
import { userError } from '../core/errors.js';
import { defineFormat } from './format.js';
import type { ExportedModel } from './model.js';
import { BAG_FORMS, type BagForm } from './onnx/bags.js';
import { emitModel, type EmitOptions } from './onnx/emit-model.js';
import { layOutExternal } from './onnx/external-data.js';
import { encodeModel } from './onnx/messages.js';
import { approximateTables, quantizeOption } from './quantize.js';
import { bytes as sizeText } from '../text/number-text.js';

/** Maximum size of a protobuf message: most readers use signed 32-bit lengths. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** ONNX, for runtimes in other languages: one file, plus one for tables beyond 2 GB. */
export const onnx = defineFormat({
  name: 'onnx',
  summary: 'single ONNX file with tables and all predictions',
  target: { kind: 'file', ending: '.onnx' },
  options: () => ({
    bags: z
      .enum(Object.keys(BAG_FORMS) as BagForm[])
      .optional()
      .describe('Bag input format; default: offsets'),
    withEncoders: z
      .boolean()
      .optional()
      .describe('Whether the model takes raw values, with vocabularies and scales included'),
    quantize: quantizeOption,
  }),
  *check({ bags, withEncoders }) {
    if (withEncoders === true && bags !== undefined)
      yield {
        path: ['bags'],
        message: 'applies to encoded items, but --with-encoders takes raw values; remove one of them',
      };
  },

  build: ({ bags = 'offsets', withEncoders, quantize }, model, path) =>
    onnxExporter(model, path, { bags: withEncoders === true ? 'text' : bags, quantize, maxFileBytes: MAX_FILE_BYTES }),
});

/** Options of an ONNX export. */
export interface OnnxOptions extends EmitOptions {
  /** Beyond this file size, tensors are stored in a separate file. */
  readonly maxFileBytes: number;
}

/** Prepares the export of a model as ONNX. */
export function onnxExporter(model: ExportedModel, path: string, options: OnnxOptions) {
  const { message, initializers } = emitModel(model, options);
  const whole = encodeModel(message, initializers);
  const { inputs, outputs } = message.graph;
  const common = {
    tensors: { inputs, outputs },
    ...(options.quantize !== undefined && { weights: () => approximateTables(model) }),
  };
  if (whole.bytes <= options.maxFileBytes) {
    return { bytes: whole.bytes, write: async () => (await write(path, whole.pieces()), [path]), ...common };
  }
  // Named after its content, so that a model never loads tables of another one.
  const suffix = options.quantize === undefined ? '' : `-${options.quantize}`;
  const file = `${basename(path)}.${model.about.checkpoint.slice(0, 12)}${suffix}.data`;
  const external = layOutExternal(file, initializers);
  const head = encodeModel(message, initializers, external);
  if (head.bytes > options.maxFileBytes) {
    throw userError('usage', {
      where: path,
      message:
        `the graph requires ${sizeText(head.bytes)} besides its tables, but an ONNX file can have at most ` +
        `${sizeText(options.maxFileBytes)}`,
      fix: 'remove --with-encoders',
    });
  }
  const dataPath = join(dirname(path), file);
  return {
    bytes: head.bytes + external.bytes,
    async write() {
      await write(dataPath, external.pieces());
      await write(path, head.pieces());
      return [path, dataPath];
    },
    ...common,
  };
}

function write(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  return replace(path, (temporary) => writeSynced(temporary, pieces));
}
