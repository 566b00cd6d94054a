import { createValueEncoder } from './data/rows/encode-values.js';
import { badRowsError, problemOfCell, rowsOfColumns, rowsOfObjects, type BadRow, type Columns, type GivenRows, type Row } from './data/rows/object-rows.js';
import type { Program } from './engines/engine.js';
import { createEngine } from './engines/engines.js';
import { userError, type Problem } from './errors.js';
import { predictedSpaces, predictionsOf } from './evaluation/spaces.js';
import type { EncodedField } from './features/feature-types.js';
import { compileTrained, readTrainedModel } from './trained-model.js';

/** Predictions by space, one number a row. Every task is a space; so is a conversion together with what it is given (`ctcvr`). */
export type Predictions = Readonly<Record<string, Float32Array>>;

/** A column that a model reads. */
export interface ModelInput {
  readonly name: string;
  /** What its cells are: ids in digits, any text, numbers, or lists of ids. */
  readonly holds: 'id' | 'text' | 'number' | 'bag';
}

/** How rows are predicted. */
export interface PredictRowsOptions {
  /** Told of each bad row, whose predictions are then NaN. Without it, bad rows are an error. */
  onBadRow?(bad: BadRow): void;
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

/** Rows that are encoded and predicted at a time. */
const PIECE_ROWS = 4096;

/**
 * Loads the model of a run (its best checkpoint) or of a checkpoint. It predicts on the thread that calls it, starts none of its
 * own and keeps no file open.
 * @throws UserError (checkpoint) where there is none, or it is not whole
 */
export async function loadModel(path: string): Promise<Model> {
  const trained = await readTrainedModel(path);
  const { folder, checkpoint, format: { fields } } = trained;
  let program: Program | undefined = compileTrained(trained, await createEngine({ device: 'cpu', threads: 1 }), () => undefined);
  const spaces = predictedSpaces(trained.spaces);
  const encoder = createValueEncoder(fields);

  const predictGiven = (given: GivenRows, { onBadRow }: PredictRowsOptions = {}): Predictions => {
    if (program?.predictSync === undefined) throw userError('usage', { where: folder, message: 'the model was disposed of', fix: 'load it again' });
    const results = spaces.map(({ name }) => [name, new Float32Array(given.count)] as const);
    const problems = new Map<number, Problem[]>();
    for (let begin = 0; begin < given.count; begin += PIECE_ROWS) {
      const count = Math.min(PIECE_ROWS, given.count - begin);
      const batch = encoder.encode(count, begin, given.cellsOf, (cell) => void problems.set(cell.row, [...(problems.get(cell.row) ?? []), problemOfCell(cell, given)]));
      const predictions = program.predictSync(batch);
      for (const [s, space] of spaces.entries()) predictionsOf(space, predictions, count, results[s]![1].subarray(begin, begin + count));
    }
    const bad = [...problems].map(([row, found]): BadRow => ({ row, problems: found })).sort((a, b) => a.row - b.row);
    if (bad.length > 0 && onBadRow === undefined) throw badRowsError(bad);
    for (const each of bad) {
      for (const [, values] of results) values[each.row] = NaN;
      onBadRow?.(each);
    }
    return Object.fromEntries(results);
  };

  return {
    checkpoint: folder,
    step: checkpoint.program.step,
    inputs: inputsOf(fields),
    outputs: spaces.map(({ name }) => name),
    predict: (rows, options) => predictGiven(rowsOfObjects(rows), options),
    predictColumns: (columns, options) => predictGiven(rowsOfColumns(columns), options),
    dispose() {
      program?.dispose();
      program = undefined;
    },
  };
}

/** The columns of some fields, each once: a field of its own says what a column holds, a cross takes any text. */
function inputsOf(fields: readonly EncodedField[]): readonly ModelInput[] {
  const held = new Map<string, ModelInput['holds']>();
  const byWidth = [...fields].sort((a, b) => a.columns.length - b.columns.length);
  for (const { columns, kind, direct } of byWidth) {
    const holds = columns.length > 1 ? 'text' : kind === 'bag' ? 'bag' : direct?.cell === 'id' ? 'id' : direct?.cell === 'number' ? 'number' : 'text';
    for (const name of columns) if (!held.has(name)) held.set(name, holds);
  }
  const names = [...new Set(fields.flatMap(({ columns }) => columns))];
  return names.map((name) => ({ name, holds: held.get(name)! }));
}
