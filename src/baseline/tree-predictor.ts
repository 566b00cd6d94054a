import type { Program } from '../engines/engine.js';
import type { TreePython } from './python.js';
import type { TreeColumns } from './tree-columns.js';
import { splitTreePredictions, type PredictedTask } from './tree-files.js';
import { assignFolds } from './tree-folds.js';
import { TreeProcess } from './tree-process.js';

/** Trees of some tasks. */
export interface TreePredictorOptions {
  readonly python: TreePython;
  readonly columns: TreeColumns;
  readonly tasks: readonly PredictedTask[];
  /** By task: the path of its model, or one path per fold. */
  readonly models: readonly (readonly string[])[];
  /** Share of negatives that sampling kept. */
  readonly negativeRate: number;
  readonly threads: number;
}

/** Predicts batches of rows with trees. */
export interface TreePredictor extends Pick<Program, 'predict'> {
  dispose(): void;
}

/** Creates a predictor; a row gets the predictions of its fold's model if there are folds. */
export function createTreePredictor(options: TreePredictorOptions): TreePredictor {
  const { python, columns, tasks, models, negativeRate, threads } = options;
  const width = columns.columns.length;
  const process = new TreeProcess(python, { columns: width, models, threads });
  return {
    async predict(batch) {
      const features = new Float32Array(batch.rows * width);
      columns.write(batch, features, width, 0);
      const all = await process.predict(features, assignFolds(features, width, models[0]!.length));
      return splitTreePredictions(all, tasks, negativeRate);
    },
    dispose: () => process.dispose(),
  };
}
