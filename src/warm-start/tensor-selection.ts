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
import { isTable, listed, compilePattern } from './names.js';

/** A model of which weights are taken, or that takes them. */
export interface Side {
  readonly training: Experiment['training'];
  readonly fields: readonly Field[];
  readonly tasks: readonly Task[];
  readonly graph: Graph;
  /** Its tables have no rows yet. */
  readonly layout: InputLayout;
  readonly lookups: ReturnType<typeof listLookups>;
}

/** Which tensors a run starts with. */
export interface TensorSelection {
  /** Names of weights that both have and that are wanted. */
  readonly names: ReadonlySet<string>;
  /** Names of weights that are drawn, since the checkpoint has them not or they are not wanted. */
  readonly drawn: readonly string[];
  /** Names of weights that stay in the checkpoint. */
  readonly left: readonly string[];
  /** Of these, the tables whose rows are of a field's ids. */
  tablesOf(field: string): readonly string[];
  /** Whether what was learned for a field on train is taken with what has learned from it. */
  keepsFitted(field: Field): boolean;
  /** Whether the label of a task stays scaled as it was, since a layer is taken that has learned to say it. */
  keepsScale(task: Task): boolean;
}

/**
 * Decides what is taken of a checkpoint, before any data is read.
 * @throws UserError (config) with all that does not fit, and the cure of each
 */
export function selectTensors(options: InitFromOptions, before: Side, now: Side): TensorSelection {
  const [had, has] = [tensorsOf(before), tensorsOf(now)];
  const wanted = wantedBy(options.include);
  const names = new Set([...has.keys()].filter((name) => had.has(name) && wanted(name)));
  const readers = featureReaders(now.graph);
  const tables = tablesOf(now).filter(({ tensor }) => names.has(tensor));
  const readersTaken = [...names].filter((name) => readers.has(name));
  const problems: Problem[] = [...checkPatterns(options.include, had, has)];
  const hadTables = tablesOf(before);
  for (const table of tables)
    problems.push(
      ...checkTable(
        hadTables.find(({ tensor }) => tensor === table.tensor)!,
        table,
      ),
    );
  const ofInput = readersTaken.length > 0 ? [...checkInput(before.fields, now.fields, readersTaken)] : [];
  // Where the input lies otherwise, the shape of what reads it is no news.
  const dense = [...names].filter((name) => !isTable(name) && !(ofInput.length > 0 && readers.has(name)));
  problems.push(...ofInput, ...checkShapes(dense, had, has));
  const sayersTaken = ({ name }: Task): readonly string[] => {
    const [was, is] = [before.graph, now.graph].map(({ predictions }) => predictions.get(name));
    if (was === undefined || is === undefined) return [];
    const added = tables.filter(({ isWide }) => isWide).map(({ tensor }) => tensor);
    return [...[...lastLayers(is)].filter((each) => names.has(each) && lastLayers(was).has(each)), ...added];
  };
  for (const task of now.tasks)
    problems.push(
      ...checkScale(
        before.tasks.find(({ name }) => name === task.name),
        task,
        sayersTaken(task),
      ),
    );
  if (options.optimizer === 'keep')
    problems.push(
      ...checkOptimizers(before.training, now.training, {
        embeddings: tables.some(({ isWide }) => !isWide),
        wide: tables.some(({ isWide }) => isWide),
        dense: names.size > tables.length,
      }),
    );
  if (problems.length === 0 && names.size === 0)
    problems.push({
      key: 'initFrom.include',
      message: 'nothing that is to be taken is in both the checkpoint and this model',
      fix: `the checkpoint has ${listed([...had.keys()])}; the model ${listed([...has.keys()])}`,
    });
  if (problems.length > 0)
    throw new UserError(
      'config',
      problems.map((problem) => ({ where: options.checkpoint, ...problem })),
    );
  return {
    names,
    drawn: [...has.keys()].filter((name) => !names.has(name)),
    left: [...had.keys()].filter((name) => !names.has(name)),
    keepsScale: (task) => sayersTaken(task).length > 0,
    tablesOf: (field) => tables.filter(({ ids }) => ids.name === field).map(({ tensor }) => tensor),
    keepsFitted: (field) =>
      hasTable(field) ? tables.some(({ ids }) => ids.name === field.name) : readersTaken.length > 0,
  };
}

/** All tables, those of embeddings and those that heads add up. */
function tablesOf({ fields, layout, lookups: { embeddingParts, wide } }: Side): readonly Table[] {
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

/** Shapes in words by tensor name; of a table, whose rows are not known yet, it is the width. */
function tensorsOf(side: Side): Shapes {
  const { graph } = side;
  return new Map([
    ...tablesOf(side).map(({ tensor, width, parts }) => [tensor, String(width * parts.length)] as const),
    ...graph.parameters.map(({ name, shape }) => [name, `[${shape.join(', ')}]`] as const),
  ]);
}

function wantedBy(take: InitFromOptions['include']): (name: string) => boolean {
  if (take === 'all') return () => true;
  if (take === 'embeddings') return isTable;
  const matchers = (isNot: boolean): RegExp[] =>
    take.filter((pattern) => pattern.startsWith('!') === isNot).map(compilePattern);
  const [taken, leftOut] = [matchers(false), matchers(true)];
  return (name) => taken.some((pattern) => pattern.test(name)) && !leftOut.some((pattern) => pattern.test(name));
}
