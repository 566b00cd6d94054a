import type { CountsOption } from '../data/rows/observe-cells.js';
import {
  badRowsError,
  rowsOfColumns,
  rowsOfObjects,
  type BadRow,
  type Columns,
  type GivenRows,
  type OnMissing,
  type Row,
} from '../data/rows/object-rows.js';
import { createGivenReader } from '../data/rows/read-given.js';
import type { Program } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import { userError } from '../core/errors.js';
import { listPredictedOutputs, combinePredictions } from '../evaluation/outputs.js';
import { listInputs, type ModelInput } from '../features/model-input.js';
import { compileTrained, readTrainedModel } from './trained-model.js';

export type { ModelInput };

/**
 * Predictions by space, one number a row. Every task is a space; so is a conversion together with what it is given
 * (`ctcvr`).
 */
export type Predictions = Readonly<Record<string, Float32Array>>;

/** How rows are predicted. */
export interface PredictRowsOptions {
  /**
   * Called for each row that cannot be used or has no finite prediction; its predictions are NaN. Without it, such rows
   * are an error.
   */
  onBadRow?(bad: BadRow): void;
  /**
   * Treatment of columns that a row does not have: `error` (default) makes the row a bad row, `oov` takes null in their
   * place.
   */
  readonly onMissing?: OnMissing | undefined;
}

/** How a model is loaded. */
export interface LoadOptions {
  /** Predicts what the model does itself, not as it is calibrated. */
  readonly raw?: boolean | undefined;
}

/** A trained model that predicts rows of this process. */
export interface Model {
  /** The folder of its checkpoint. */
  readonly checkpoint: string;
  /** Optimizer steps behind its weights. */
  readonly step: number;
  /** The columns that it reads. */
  readonly inputs: readonly ModelInput[];
  /** The spaces that it predicts. */
  readonly outputs: readonly string[];
  /**
   * Predicts rows, at once and on this thread.
   * @example
   * const { ctr } = model.predict([{ 101: 413, 205: 42 }, { 101: 413, 205: 43 }], { onBadRow: ({ row, problems }) =>
   * console.warn(row, problems) });
   * @throws UserError (data) with the bad rows, their columns and the cure
   */
  predict(rows: readonly Row[], options?: PredictRowsOptions): Predictions;
  /**
   * The same for rows that lie as columns, all of one length.
   * @throws UserError (data)
   */
  predictColumns(columns: Columns, options?: PredictRowsOptions): Predictions;
  /** Gives back its memory; it predicts no more. */
  dispose(): void;
}

/**
 * A model that takes rows however they lie, and knows what its config is called: what a server needs beside the rest.
 */
export interface GivenModel extends Model {
  readonly name: string;
  predictGiven(given: GivenRows, options?: PredictRowsOptions & CountsOption): Predictions;
}

/**
 * Loads the model of a run (its best checkpoint) or of a checkpoint. It predicts on the thread that calls it, starts
 * none of its
 * own and keeps no file open.
 * @example
 * const model = await loadModel('runs/latest');
 * console.log(model.inputs, model.outputs);
 * model.dispose();
 * @throws UserError (checkpoint) where there is none, or it is not whole
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const { checkpoint, step, inputs, outputs, predict, predictColumns, dispose } = await loadGivenModel(path, options);
  return { checkpoint, step, inputs, outputs, predict, predictColumns, dispose };
}

/** The same, for a server. */
export async function loadGivenModel(path: string, { raw }: LoadOptions): Promise<GivenModel> {
  const trained = await readTrainedModel(path, { raw });
  const {
    folder,
    checkpoint,
    experiment,
    format: { fields },
  } = trained;
  let program: Program | undefined = compileTrained(
    trained,
    await createEngine({ device: 'cpu', threads: 1 }),
    () => undefined,
  );
  const spaces = listPredictedOutputs(trained.spaces);
  const inputs = listInputs(fields);
  const readGiven = createGivenReader(fields, experiment.data.decimal);

  const predictGiven: GivenModel['predictGiven'] = (given, { onBadRow, onCounts } = {}) => {
    if (program?.predictSync === undefined)
      throw userError('usage', { where: folder, message: 'the model was disposed of', fix: 'load it again' });
    const results = spaces.map(({ name }) => ({ name, values: new Float32Array(given.count) }));
    const { batches, problems, counts } = readGiven(given);
    for (const { batch, begin } of batches) {
      const predictions = program.predictSync(batch);
      for (const [s, space] of spaces.entries())
        combinePredictions(space, predictions, batch.rows, results[s]!.values.subarray(begin, begin + batch.rows));
      problems.addNonFinite(results, batch, begin);
    }
    onCounts?.(counts);
    const bad = problems.list();
    if (bad.length > 0 && onBadRow === undefined) throw badRowsError(bad);
    for (const each of bad) {
      for (const { values } of results) values[each.row] = NaN;
      onBadRow?.(each);
    }
    return Object.fromEntries(results.map(({ name, values }) => [name, values]));
  };

  return {
    name: experiment.name,
    checkpoint: folder,
    step: checkpoint.program.step,
    inputs,
    outputs: spaces.map(({ name }) => name),
    predictGiven,
    predict: (rows, options) => predictGiven(rowsOfObjects(rows, options?.onMissing), options),
    predictColumns: (columns, options) =>
      predictGiven(
        rowsOfColumns(columns, options?.onMissing === 'oov' ? undefined : inputs.map(({ name }) => name)),
        options,
      ),
    dispose() {
      program?.dispose();
      program = undefined;
    },
  };
}
