import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findPython } from '../baseline/python.js';
import { planTreeColumns } from '../baseline/tree-columns.js';
import { createTreePredictor } from '../baseline/tree-predictor.js';
import { listTasks, type Experiment } from '../config/experiment.js';
import { rootTasks } from '../core/tasks.js';
import { encodedFormat, createRowFormat, type EncodedFormat } from '../data/rows/row-format.js';
import { withEventLogs } from '../data/sources/event-logs.js';
import type { RowScorer } from '../data/sources/teacher-pass.js';
import { listOutputs } from '../evaluation/outputs.js';
import { createScorer } from '../predict/scorer.js';
import { readTrees, treeFile, type StoredTrees } from '../runs/tree-store.js';
import { parseTeacherConfig, type CpuOptions, type TeacherKind } from './teacher-model.js';

/** Trees of `mtl baseline`. */
export const treeTeacher: TeacherKind = {
  async describe(folder) {
    findPython();
    const { config, facts } = await readTrees(folder);
    const step = Object.values(facts.trees).reduce((sum, count) => sum + count, 0);
    return { experiment: parseTeacherConfig(folder, config), step };
  },
  async read(folder) {
    const trees = await readTrees(folder);
    const experiment = parseTeacherConfig(folder, trees.config);
    const format = await featureFormat(experiment, trees);
    const trained = { folder, experiment, trees, format };
    return {
      experiment,
      counters: trees.states.counters,
      open: (names, options) => Promise.resolve(openScorer(trained, names, options)),
    };
  },
};

/** Returns the format of rows without labels, with the encoders of the training set. */
async function featureFormat({ data, features }: Experiment, { fitted, lookups }: StoredTrees): Promise<EncodedFormat> {
  const format = createRowFormat({ tasks: [], groups: Object.values(features), cells: data, lookups });
  return encodedFormat(await withEventLogs(format, data), fitted);
}

interface OpenedTrees {
  readonly folder: string;
  readonly experiment: Experiment;
  readonly trees: StoredTrees;
  readonly format: EncodedFormat;
}

/** Starts Python to score rows; rows with the features of training rows get the models without their fold, if any. */
function openScorer(
  { folder, experiment, trees: { idCounts, facts }, format }: OpenedTrees,
  names: readonly string[],
  { threads = availableParallelism() }: CpuOptions,
): RowScorer {
  const all = listTasks(experiment);
  const known = listOutputs(all);
  const outputs = names.map((name) => known.find((output) => output.name === name)!);
  const used = all.filter(({ name }) => outputs.some(({ factors }) => factors.includes(name)));
  const roots = rootTasks(all);
  const filesOf = (task: string): readonly string[] =>
    facts.folds === 0 ? [treeFile(task)] : Array.from({ length: facts.folds }, (_, fold) => treeFile(task, fold));
  const program = createTreePredictor({
    python: findPython(),
    columns: planTreeColumns(format.fields, idCounts),
    // Only classifications are teachers; their labels have no scaling.
    tasks: used.map((task) => ({ name: task.name, steps: [], isRoot: roots.includes(task) })),
    models: used.map(({ name }) => filesOf(name).map((file) => join(folder, file))),
    negativeRate: experiment.data.negativeSampling?.rate ?? 1,
    threads,
  });
  const scorer = createScorer({ program, outputs, fields: format.fields, maxNonFiniteRows: Infinity });
  return { format, score: (rows) => scorer.score(rows), dispose: () => program.dispose() };
}
