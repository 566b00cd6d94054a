import type { Experiment } from '../config/experiment.js';
import { tableTensor } from '../engines/engine.js';
import { UserError, type Problem } from '../errors.js';
import { hasTable, type Field } from '../features/feature.js';
import { featureReaders } from '../graph/feature-readers.js';
import type { Graph } from '../graph/graph.js';
import { lastLayers } from '../graph/last-layers.js';
import type { InitFromOptions } from '../runs/origin.js';
import type { Task } from '../tasks.js';
import { checkInput, checkOptimizers, checkParts, checkPatterns, checkScale, checkShapes, checkTable, type Shapes } from './checks.js';
import { isTable, listed, matcherOf } from './names.js';

/** A model of which weights are taken, or that takes them. */
export interface Side {
  readonly training: Experiment['training'];
  readonly fields: readonly Field[];
  readonly tasks: readonly Task[];
  readonly graph: Graph;
  /** What the parts of every embedding are for. */
  readonly embeddingParts: readonly string[];
}

/** Which tensors a run starts with. */
export interface Taken {
  /** Names of weights that both have and that are wanted. */
  readonly names: ReadonlySet<string>;
  /** Names of weights that are drawn, since the checkpoint has them not or they are not wanted. */
  readonly drawn: readonly string[];
  /** Names of weights that stay in the checkpoint. */
  readonly left: readonly string[];
  /** Whether what was learned for a field on train is taken with what has learned from it. */
  keepsFitted(field: Field): boolean;
  /** Whether the label of a task stays scaled as it was, since a layer is taken that has learned to say it. */
  keepsScale(task: Task): boolean;
}

/**
 * Decides what is taken of a checkpoint, before any data is read.
 * @throws UserError (config) with all that does not fit, and the cure of each
 */
export function decideTaken(options: InitFromOptions, before: Side, now: Side): Taken {
  const [had, has] = [tensorsOf(before), tensorsOf(now)];
  const wanted = wantedBy(options.take);
  const names = new Set([...has.keys()].filter((name) => had.has(name) && wanted(name)));
  const readers = featureReaders(now.graph);
  const tables = now.fields.filter((field) => hasTable(field) && field.owner === field.name && names.has(tableTensor(field.name)));
  const readersTaken = [...names].filter((name) => readers.has(name));
  const problems: Problem[] = [...checkPatterns(options.take, had, has)];
  for (const field of tables) problems.push(...checkTable(before.fields.find(({ name }) => name === field.name)!, field), ...checkParts(field, before.embeddingParts, now.embeddingParts));
  const ofInput = readersTaken.length > 0 ? [...checkInput(before.fields, now.fields, readersTaken)] : [];
  // Where the input lies otherwise, the shape of what reads it is no news.
  const dense = [...names].filter((name) => !isTable(name) && !(ofInput.length > 0 && readers.has(name)));
  problems.push(...ofInput, ...checkShapes(dense, had, has));
  const sayersTaken = ({ name }: Task): readonly string[] => {
    const [was, is] = [before.graph, now.graph].map(({ predictions }) => predictions.get(name));
    return was === undefined || is === undefined ? [] : [...lastLayers(is)].filter((each) => names.has(each) && lastLayers(was).has(each));
  };
  for (const task of now.tasks) problems.push(...checkScale(before.tasks.find(({ name }) => name === task.name), task, sayersTaken(task)));
  if (options.optimizer === 'keep') problems.push(...checkOptimizers(before.training, now.training, tables.length > 0, names.size > tables.length));
  if (problems.length === 0 && names.size === 0) problems.push({ key: 'initFrom.take', message: 'nothing that is to be taken is in both the checkpoint and this model', fix: `the checkpoint has ${listed([...had.keys()])}; the model ${listed([...has.keys()])}` });
  if (problems.length > 0) throw new UserError('config', problems.map((problem) => ({ where: options.checkpoint, ...problem })));
  return {
    names,
    drawn: [...has.keys()].filter((name) => !names.has(name)),
    left: [...had.keys()].filter((name) => !names.has(name)),
    keepsScale: (task) => sayersTaken(task).length > 0,
    keepsFitted: (field) => (hasTable(field) ? names.has(tableTensor(field.name)) : readersTaken.length > 0),
  };
}

/** Shapes in words by tensor name; of a table, whose rows are not known yet, it is the width. */
function tensorsOf({ fields, graph, embeddingParts }: Side): Shapes {
  const tables = fields.filter((field) => hasTable(field) && field.owner === field.name);
  return new Map([
    ...tables.map(({ name, width }) => [tableTensor(name), String(width * embeddingParts.length)] as const),
    ...graph.parameters.map(({ name, shape }) => [name, `[${shape.join(', ')}]`] as const),
  ]);
}

function wantedBy(take: InitFromOptions['take']): (name: string) => boolean {
  if (take === 'all') return () => true;
  if (take === 'embeddings') return isTable;
  const matchers = (isNot: boolean): RegExp[] => take.filter((pattern) => pattern.startsWith('!') === isNot).map(matcherOf);
  const [taken, leftOut] = [matchers(false), matchers(true)];
  return (name) => taken.some((pattern) => pattern.test(name)) && !leftOut.some((pattern) => pattern.test(name));
}
