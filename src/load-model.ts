import { createValueEncoder } from './data/rows/encode-values.js';
import { badRowsError, problemOfCell, rowsOfColumns, rowsOfObjects, type BadRow, type Columns, type GivenRows, type Row } from './data/rows/object-rows.js';
import { predictionProblem } from './data/rows/prediction-problem.js';
import type { Program } from './engines/engine.js';
import { createEngine } from './engines/engines.js';
import { userError } from './errors.js';
import { predictedSpaces, predictionsOf } from './evaluation/spaces.js';
import { inputsOf, type ModelInput } from './features/model-input.js';
import { compileTrained, readTrainedModel } from './trained-model.js';

export type { ModelInput };

/** Predictions by space, one number a row. Every task is a space; so is a conversion together with what it is given (`ctcvr`). */
export type Predictions = Readonly<Record<string, Float32Array>>;

/** How rows are predicted. */
export interface PredictRowsOptions {
  /** Called for each row that cannot be used or has no finite prediction; its predictions are NaN. Without it, such rows are an error. */
  onBadRow?(bad: BadRow): void;
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
   * const { ctr } = model.predict([{ 101: 413, 205: 42 }, { 101: 413, 205: 43 }], { onBadRow: ({ row, problems }) => console.warn(row, problems) });
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

/** A model that takes rows however they lie, and knows what its config is called: what a server needs beside the rest. */
export interface GivenModel extends Model {
  readonly name: string;
  predictGiven(given: GivenRows, options?: PredictRowsOptions): Predictions;
}

/** Rows that are encoded and predicted at a time. */
const PIECE_ROWS = 4096;

/**
 * Loads the model of a run (its best checkpoint) or of a checkpoint. It predicts on the thread that calls it, starts none of its
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
  const { folder, checkpoint, experiment, format: { fields } } = trained;
  let program: Program | undefined = compileTrained(trained, await createEngine({ device: 'cpu', threads: 1 }), () => undefined);
  const spaces = predictedSpaces(trained.spaces);
  const read = new Set(fields.flatMap(({ columns }) => columns));
  const encoder = createValueEncoder(fields, experiment.data.decimal);

  const predictGiven = (given: GivenRows, { onBadRow }: PredictRowsOptions = {}): Predictions => {
    if (program?.predictSync === undefined) throw userError('usage', { where: folder, message: 'the model was disposed of', fix: 'load it again' });
    const results = spaces.map(({ name }) => ({ name, values: new Float32Array(given.count) }));
    const bad = new Map<number, BadRow>();
    for (let begin = 0; begin < given.count; begin += PIECE_ROWS) {
      const count = Math.min(PIECE_ROWS, given.count - begin);
      const batch = encoder.encode(count, begin, given.cellsOf, (cell) => {
        const { row } = cell;
        bad.set(row, { row, source: 'input', problems: [...(bad.get(row)?.problems ?? []), problemOfCell(cell, given, read)] });
      });
      const predictions = program.predictSync(batch);
      for (const [s, space] of spaces.entries()) predictionsOf(space, predictions, count, results[s]!.values.subarray(begin, begin + count));
      for (let row = begin; row < begin + count; row++) {
        if (results.every(({ values }) => Number.isFinite(values[row])) || bad.has(row)) continue;
        const outputs = results.map(({ name, values }) => ({ name, value: values[row]! })).filter(({ value }) => !Number.isFinite(value));
        bad.set(row, { row, source: 'prediction', problems: [predictionProblem({ row, batchRow: row - begin, outputs }, batch, fields, given)] });
      }
    }
    const inOrder = [...bad.values()].sort((a, b) => a.row - b.row);
    if (inOrder.length > 0 && onBadRow === undefined) throw badRowsError(inOrder);
    for (const each of inOrder) {
      for (const { values } of results) values[each.row] = NaN;
      onBadRow?.(each);
    }
    return Object.fromEntries(results.map(({ name, values }) => [name, values]));
  };

  return {
    name: experiment.name,
    checkpoint: folder,
    step: checkpoint.program.step,
    inputs: inputsOf(fields),
    outputs: spaces.map(({ name }) => name),
    predictGiven,
    predict: (rows, options) => predictGiven(rowsOfObjects(rows), options),
    predictColumns: (columns, options) => predictGiven(rowsOfColumns(columns), options),
    dispose() {
      program?.dispose();
      program = undefined;
    },
  };
}
