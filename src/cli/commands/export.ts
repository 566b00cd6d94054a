import { deviceOption, jsonOption, kernelsOption, rawOption, threadsOption } from '../options.js';
import { defineCommand } from './command.js';

export const exportModel = defineCommand({
  usage: 'export <path>',
  summary: 'Export a model to ONNX, safetensors or embedding files',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option('format', {
        type: 'string',
        requiresArg: true,
        demandOption: true,
        describe:
          'Output format: onnx (whole model), safetensors (weights by name) or embeddings (tables with row names)',
      })
      .option('out', {
        type: 'string',
        requiresArg: true,
        demandOption: true,
        describe: 'Output file (.onnx, .safetensors), or directory for embeddings; an existing one is replaced',
      })
      .option('bags', {
        type: 'string',
        requiresArg: true,
        describe: 'onnx: bag inputs as items with offsets (default), or padded to the longest',
      })
      .option('with-encoders', {
        type: 'boolean',
        describe: 'onnx: take raw values, with vocabularies and scales in the file',
      })
      .option('files', {
        type: 'string',
        requiresArg: true,
        describe: 'embeddings: parquet, projector (TensorBoard), or both (default)',
      })
      .option('quantize', {
        type: 'string',
        requiresArg: true,
        describe: 'Quantize tables: int8, with a scale per row; prints the loss in AUC',
      })
      .option('raw', rawOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('json', jsonOption)
      .example('$0 export runs/latest --format onnx --with-encoders --out model.onnx', '')
      .example('$0 export runs/latest --format embeddings --out embeddings/', ''),
  async run({ path, format, out, bags, withEncoders, files, quantize, raw, device, threads, json }) {
    const { runExport } = await import('../export-command.js');
    return runExport({
      path,
      format,
      out,
      options: { bags, withEncoders, files, quantize },
      raw,
      device,
      threads,
      json,
    });
  },
});
