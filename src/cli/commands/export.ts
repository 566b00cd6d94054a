import { EXIT_CODES } from '../../core/errors.js';
import type { ExportResult } from '../../export.js';
import { bytes, table } from '../format.js';
import { createOutput } from '../output.js';
import type { Terminal } from '../terminal.js';
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
    const [{ exportModel: writeModel }, { formatSpec }, { auc }] = await Promise.all([
      import('../../export.js'),
      import('../../export/formats.js'),
      import('../../evaluation/auc.js'),
    ]);
    const { screen, warn, result } = createOutput(json);
    const exported = await writeModel({
      path,
      spec: formatSpec(format, { bags, withEncoders, files, quantize }),
      out,
      raw,
      device,
      threads,
      onWarning: warn,
      signal: new AbortController().signal,
    });
    screen.print(`checkpoint ${exported.checkpoint}`);
    if (exported.measured !== undefined) screen.print(formatLosses(exported.measured, auc.name, screen));
    screen.print(`${exported.files.join(', ')}: ${bytes(exported.bytes)}`);
    if (exported.loggedModel !== undefined) screen.print(`logged model ${exported.loggedModel}`);
    result(exported);
    return EXIT_CODES.done;
  },
});

/** Builds a table of the loss in a metric per split and output. */
function formatLosses(
  { exact, exported }: NonNullable<ExportResult['measured']>,
  metric: string,
  screen: Terminal,
): string {
  const rows = Object.entries(exact).flatMap(([split, report]) =>
    Object.keys(report).flatMap((output) => {
      const [before, after] = [report, exported[split]].map((each) => each?.[output]?.[metric]);
      if (typeof before !== 'number' || typeof after !== 'number') return [];
      return [[`${split} ${output}`, before.toFixed(6), after.toFixed(6), (before - after).toFixed(6)]];
    }),
  );
  return table([metric, 'before', 'exported', 'lost'], rows, screen);
}
