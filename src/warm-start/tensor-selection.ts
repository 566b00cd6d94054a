import type { Experiment } from '../config/experiment.js';
import { tableTensor } from '../engines/engine.js';
import { UserError, type Problem } from '../core/errors.js';
import { hasTable, type Field } from '../features/feature.js';
import { featureReaders } from '../graph/feature-readers.js';
import type { Graph } from '../graph/graph.js';
import { lastLayers } from '../graph/last-layers.js';
import type { listLookups } from '../models/models.js';
import type { InitFromOptions } from '../runs/init-from.js';
import type { InputLayout } from '../tables/layout.js';
import type { Task } from '../core/tasks.js';
import {
  checkInput,
  checkOptimizers,
  checkPatterns,
  checkScale,
  checkShapes,
  checkTable,
  type Shapes,
  type Table,
} from './checks.js';
import { isTable, formatNames, compilePattern } from './names.js';

/** A model that saved weights, or that loads them. */
export interface Side {
  readonly training: Experiment['training'];
  readonly fields: readonly Field[];
  readonly tasks: readonly Task[];
  readonly graph: Graph;
  /** Without the row counts of its tables. */
  readonly layout: InputLayout;
  readonly lookups: ReturnType<typeof listLookups>;
}

/** Tensors that a run loads from a checkpoint. */
export interface TensorSelection {
  /** Names of the loaded weights: in both models and selected. */
  readonly names: ReadonlySet<string>;
  /** Names of weights that are randomly initialized, because they are missing or not selected. */
  readonly drawn: readonly string[];
  /** Names of weights in the checkpoint that are not loaded. */
  readonly left: readonly string[];
  /** Lists the loaded tables whose rows are a field's ids. */
  tablesOf(field: string): readonly string[];
  /** Reports whether the fitted state of a field is loaded, because weights that depend on it are. */
  keepsFitted(field: Field): boolean;
  /** Reports whether the label scaling of a task is loaded, because its output layer is. */
  keepsScale(task: Task): boolean;
}

/**
 * Selects the tensors to load, before any data is read.
 * @throws UserError (config) with all mismatches and their fixes
 */
export function selectTensors(options: InitFromOptions, saved: Side, current: Side): TensorSelection {
  const [savedShapes, currentShapes] = [listShapes(saved), listShapes(current)];
  const isSelected = createSelector(options.include);
  const names = new Set([...currentShapes.keys()].filter((name) => savedShapes.has(name) && isSelected(name)));
  const readers = featureReaders(current.graph);
  const tables = listTables(current).filter(({ tensor }) => names.has(tensor));
  const loadedReaders = [...names].filter((name) => readers.has(name));
  const wideTables = tables.filter(({ isWide }) => isWide).map(({ tensor }) => tensor);
  const findLoadedOutputLayers = (task: Task): readonly string[] => {
    const layers = findSharedOutputLayers(saved, current, task);
    return layers === undefined ? [] : [...layers.filter((each) => names.has(each)), ...wideTables];
  };
  function* findProblems(): Generator<Problem> {
    yield* checkPatterns(options.include, savedShapes, currentShapes);
    const savedTables = new Map(listTables(saved).map((table) => [table.tensor, table]));
    for (const table of tables) yield* checkTable(savedTables.get(table.tensor)!, table);
    const inputProblems = loadedReaders.length > 0 ? [...checkInput(saved.fields, current.fields, loadedReaders)] : [];
    yield* inputProblems;
    // If the input differs, the shapes of its readers differ as a consequence and are not reported.
    const dense = [...names].filter((name) => !isTable(name) && !(inputProblems.length > 0 && readers.has(name)));
    yield* checkShapes(dense, savedShapes, currentShapes);
    const savedTasks = new Map(saved.tasks.map((task) => [task.name, task]));
    for (const task of current.tasks) yield* checkScale(savedTasks.get(task.name), task, findLoadedOutputLayers(task));
    if (options.optimizer === 'keep')
      yield* checkOptimizers(saved.training, current.training, {
        embeddings: wideTables.length < tables.length,
        wide: wideTables.length > 0,
        dense: names.size > tables.length,
      });
  }
  const problems = [...findProblems()];
  if (problems.length === 0 && names.size === 0) problems.push(noCommonTensor(savedShapes, currentShapes));
  if (problems.length > 0)
    throw new UserError(
      'config',
      problems.map((problem) => ({ where: options.checkpoint, ...problem })),
    );
  return {
    names,
    drawn: [...currentShapes.keys()].filter((name) => !names.has(name)),
    left: [...savedShapes.keys()].filter((name) => !names.has(name)),
    keepsScale: (task) => findLoadedOutputLayers(task).length > 0,
    tablesOf: (field) => tables.filter(({ ids }) => ids.name === field).map(({ tensor }) => tensor),
    keepsFitted: (field) =>
      hasTable(field) ? tables.some(({ ids }) => ids.name === field.name) : loadedReaders.length > 0,
  };
}

/** Returns the output layers of a task that both models have; undefined if either does not predict the task. */
function findSharedOutputLayers(saved: Side, current: Side, { name }: Task): readonly string[] | undefined {
  const [savedPrediction, currentPrediction] = [saved, current].map(({ graph }) => graph.predictions.get(name));
  if (savedPrediction === undefined || currentPrediction === undefined) return undefined;
  const savedLayers = lastLayers(savedPrediction);
  return [...lastLayers(currentPrediction)].filter((layer) => savedLayers.has(layer));
}

function noCommonTensor(saved: ReadonlyMap<string, unknown>, current: ReadonlyMap<string, unknown>): Problem {
  return {
    key: 'initFrom.include',
    message: 'the checkpoint and the model have no selected tensor in common',
    fix: `the checkpoint has ${formatNames([...saved.keys()])}; the model has ${formatNames([...current.keys()])}`,
  };
}

/** Lists all tables: embeddings, and those that heads sum (wide). */
function listTables({ fields, layout, lookups: { embeddingParts, wide } }: Side): readonly Table[] {
  return layout.tables.map(({ name, idsOf = name, isWide = false }): Table => {
    const ids = fields.find((field) => field.name === idsOf)!;
    return {
      tensor: tableTensor(name),
      ids,
      isWide,
      ...(isWide ? { parts: wide!.parts, width: 1 } : { parts: embeddingParts, width: ids.width }),
    };
  });
}

/** Formats shapes by tensor name; for a table, whose rows are not known yet, its width. */
function listShapes(side: Side): Shapes {
  const { graph } = side;
  return new Map([
    ...listTables(side).map(({ tensor, width, parts }) => [tensor, String(width * parts.length)] as const),
    ...graph.parameters.map(({ name, shape }) => [name, `[${shape.join(', ')}]`] as const),
  ]);
}

function createSelector(include: InitFromOptions['include']): (name: string) => boolean {
  if (include === 'all') return () => true;
  if (include === 'embeddings') return isTable;
  const matchers = (isNot: boolean): RegExp[] =>
    include.filter((pattern) => pattern.startsWith('!') === isNot).map(compilePattern);
  const [included, excluded] = [matchers(false), matchers(true)];
  return (name) => included.some((pattern) => pattern.test(name)) && !excluded.some((pattern) => pattern.test(name));
}
