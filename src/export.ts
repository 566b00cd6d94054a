import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { checkRoom, makeFolder, onDisk } from './io/disk.js';
import type { EngineOptions } from './engines/engines.js';
import { UserError } from './core/errors.js';
import { measure, type Measured } from './evaluate.js';
import type { ExportedModel } from './export/model.js';
import { checkTarget, formats, type FormatSpec } from './export/formats.js';
import { manifestDigest } from './runs/manifest.js';
import { packageVersion } from './runs/package-version.js';
import { addTrackedModel } from './runs/tracked-log.js';
import type { HostTensor } from './core/tensor.js';
import { readTrainedModel, type TrainedModel } from './trained-model/trained-model.js';

export interface ExportOptions extends EngineOptions {
  /** A run or a checkpoint. */
  readonly path: string;
  /** Whether exported predictions are uncalibrated. */
  readonly raw?: boolean | undefined;
  readonly spec: FormatSpec;
  /** Target file, or directory for a format with several files. */
  readonly out: string;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Aborts the export; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** Result of an export. */
export interface ExportResult {
  /** Directory of the checkpoint. */
  readonly checkpoint: string;
  readonly files: readonly string[];
  readonly bytes: number;
  /** URI of the model in the MLflow server of the run, for an ONNX file of a run with `loggers.mlflow`. */
  readonly loggedModel?: string | undefined;
  /** For a lossy format: metrics with the model's weights, and with the exported ones. */
  readonly measured?: { readonly exact: Measured['metrics']; readonly exported: Measured['metrics'] } | undefined;
}

/** Exports a model in a format for other programs. */
export async function exportModel({ path, raw, spec, out, ...options }: ExportOptions): Promise<ExportResult> {
  checkTarget(spec, out);
  const model = await readTrainedModel(path, { raw });
  const exporter = formats.build(spec, await exportedModel(model), resolve(out));
  const folder = dirname(resolve(out));
  await onDisk(folder, () => makeFolder(folder));
  await checkRoom(folder, exporter.bytes, 'the export');
  const measured = exporter.weights && (await compare(model, exporter.weights(), options));
  const files = await exporter.write();
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const { step } = model.checkpoint.program;
  const loggedModel =
    exporter.tensors &&
    (await addTrackedModel(dirname(dirname(model.folder)), { files, step, ...exporter.tensors }, options.onWarning));
  return { checkpoint: model.folder, files, bytes: sizes.reduce((sum, size) => sum + size), loggedModel, measured };
}

/** Collects everything of a trained model that is exported. */
export async function exportedModel({
  folder,
  checkpoint,
  experiment,
  format,
  layout,
  graph,
  outputs,
}: TrainedModel): Promise<ExportedModel> {
  const about = {
    version: packageVersion(),
    model: experiment.model.name,
    step: checkpoint.program.step,
    checkpoint: await manifestDigest(folder),
  };
  return {
    about,
    graph,
    layout,
    fields: format.fields,
    decimal: experiment.data.decimal,
    outputs,
    weights: checkpoint.program.weights,
  };
}

/** Evaluates a model with its own and with other weights, if its data is readable. */
async function compare(
  model: TrainedModel,
  weights: ReadonlyMap<string, HostTensor>,
  options: Omit<ExportOptions, 'path' | 'raw' | 'spec' | 'out'>,
): Promise<ExportResult['measured']> {
  const { checkpoint } = model;
  try {
    const exact = await measure(model, options);
    const exported = await measure(
      { ...model, checkpoint: { ...checkpoint, program: { ...checkpoint.program, weights } } },
      options,
    );
    return { exact: exact.metrics, exported: exported.metrics };
  } catch (error) {
    if (!(error instanceof UserError) || (error.kind !== 'data' && error.kind !== 'usage')) throw error;
    options.onWarning(`cannot measure the AUC of the exported model: ${error.message}`);
    return undefined;
  }
}
