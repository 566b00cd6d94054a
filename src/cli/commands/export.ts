import { deviceOption, jsonOption, kernelsOption, rawOption, threadsOption } from '../options.js';
import { defineCommand } from './command.js';

export const exportModel = defineCommand({
  usage: 'export <path>',
  summary: 'write a model in a format that others read',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
      .option('format', { type: 'string', requiresArg: true, demandOption: true, describe: 'onnx: the whole model, for ONNX Runtime and its like; safetensors: all weights by their names; embeddings: tables with what their rows are called' })
      .option('out', { type: 'string', requiresArg: true, demandOption: true, describe: 'a file, .onnx or .safetensors; for embeddings, a folder; replaced where it is there' })
      .option('bags', { type: 'string', requiresArg: true, describe: 'onnx: bags as the items of all rows with offsets (the default), or padded to the longest' })
      .option('with-encoders', { type: 'boolean', describe: 'onnx: take cells as they stand in the data, with vocabularies and scales in the file' })
      .option('files', { type: 'string', requiresArg: true, describe: "embeddings: parquet, projector (TensorBoard's), or both (the default)" })
      .option('quantize', { type: 'string', requiresArg: true, describe: 'int8: tables in 8 bits with a scale a row; what that costs in AUC is measured and printed' })
      .option('raw', rawOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('json', jsonOption)
      .example('$0 export runs/latest --format onnx --with-encoders --out model.onnx', '')
      .example('$0 export runs/latest --format embeddings --out embeddings/', ''),
  async run({ path, format, out, bags, withEncoders, files, quantize, raw, device, threads, json }) {
    const { runExport } = await import('../export-command.js');
    return runExport({ path, format, out, asked: { bags, withEncoders, files, quantize }, raw, device, threads, json });
  },
});
