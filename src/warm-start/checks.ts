import type { Experiment } from '../config/experiment.js';
import { didYouMean, joined, type Problem } from '../core/errors.js';
import { hasTable, type Field } from '../features/feature.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { InitFromOptions } from '../runs/init-from.js';
import type { Task } from '../core/tasks.js';
import { formatExclusion, formatNames, compilePattern } from './names.js';

// Checks that a checkpoint fits the model that loads it; each problem has its place and fix.

/** Formatted shapes by tensor name. */
export type Shapes = ReadonlyMap<string, string>;
type Training = Experiment['training'];

/** Checks that each pattern matches a tensor of both models. */
export function* checkPatterns(
  include: InitFromOptions['include'],
  savedShapes: Shapes,
  currentShapes: Shapes,
): Generator<Problem> {
  if (typeof include === 'string') return;
  const known = [...currentShapes.keys()].filter((name) => savedShapes.has(name));
  for (const [i, pattern] of include.entries()) {
    const matcher = compilePattern(pattern);
    if (known.some((name) => matcher.test(name))) continue;
    const isIn = (shapes: Shapes): boolean => [...shapes.keys()].some((name) => matcher.test(name));
    const message = isIn(savedShapes)
      ? 'matches tensors of the checkpoint, but none of the model'
      : isIn(currentShapes)
        ? 'matches tensors of the model, but none of the checkpoint'
        : 'matches no tensor of the checkpoint or the model';
    yield {
      key: `initFrom.include.${i}`,
      message: joined(`'${pattern}' ${message}`, didYouMean(pattern.replace(/^!/, ''), known)),
      fix: `both have ${formatNames(known)}`,
    };
  }
  if (include.every((pattern) => pattern.startsWith('!')))
    yield {
      key: 'initFrom.include',
      message: 'all patterns exclude tensors',
      fix: "add '*' first to include all others",
    };
}

/** Checks that loaded layers have the same shape in both models. */
export function* checkShapes(names: readonly string[], savedShapes: Shapes, currentShapes: Shapes): Generator<Problem> {
  const others = names.filter((name) => savedShapes.get(name) !== currentShapes.get(name));
  const fix = `restore its width or ${excludeHint(...toPatterns(others))}`;
  for (const layer of findLayers(others)) {
    const name = others.find((each) => each.startsWith(`${layer}.`))!;
    yield {
      key: layer,
      message:
        `the shape of tensor ${name.slice(layer.length + 1)} is ${currentShapes.get(name)}, ` +
        `but ${savedShapes.get(name)} in the checkpoint`,
      fix,
    };
  }
}

/** A table of a model. */
export interface Table {
  /** Name of its tensor. */
  readonly tensor: string;
  /** The field whose ids select its rows. */
  readonly ids: Field;
  /** Purpose of each part of a row. */
  readonly parts: readonly string[];
  readonly width: number;
  readonly isWide: boolean;
}

/** Checks that a loaded table has the same width, ids and parts. */
export function* checkTable(saved: Table, current: Table): Generator<Problem> {
  const key = `field '${current.ids.name}'`;
  const orExclude = `or ${excludeHint(current.tensor)}`;
  if (saved.ids.name !== current.ids.name)
    yield {
      key,
      message: `${current.tensor} has its own ids, but those of '${saved.ids.name}' in the checkpoint`,
      fix: `share the table again ${orExclude}`,
    };
  else if (saved.ids.meaning !== current.ids.meaning)
    yield {
      key,
      message:
        `the encoding is ${current.ids.meaning}, but ${saved.ids.meaning} in the checkpoint, ` +
        'so its rows differ in meaning',
      fix: `restore the encoding ${orExclude}`,
    };
  if (saved.width !== current.width)
    yield {
      key,
      message: `the embedding width is ${current.width}, but ${saved.width} in the checkpoint`,
      fix: `set width: ${saved.width} ${orExclude}`,
    };
  if (saved.parts.join() !== current.parts.join())
    yield {
      key,
      message:
        `the rows of ${current.tensor} have parts for ${current.parts.join(', ')}, ` +
        `but for ${saved.parts.join(', ')} in the checkpoint`,
      fix: `restore the model and the tasks ${orExclude}`,
    };
}

/** Checks that loaded layers read the same input at the same offsets. */
export function* checkInput(
  saved: readonly Field[],
  current: readonly Field[],
  readers: readonly string[],
): Generator<Problem> {
  const fix =
    'load only the tables with include: embeddings, or exclude the layers that read the features: ' +
    formatExclusion(...toPatterns(readers));
  const describeInput = (fields: readonly Field[]): string[] =>
    fields.map((field) =>
      JSON.stringify([field.name, field.kind, field.width, field.owner, 'pooling' in field ? field.pooling : null]),
    );
  if (describeInput(saved).join() !== describeInput(current).join()) {
    const names = (fields: readonly Field[]): string[] => fields.map(({ name }) => name);
    const [added, removed] = [
      names(current).filter((name) => !names(saved).includes(name)),
      names(saved).filter((name) => !names(current).includes(name)),
    ];
    const change = [
      ...(added.length > 0 ? [`added: ${formatNames(added)}`] : []),
      ...(removed.length > 0 ? [`removed: ${formatNames(removed)}`] : []),
    ];
    yield {
      key: 'features',
      message:
        'the first layers of the checkpoint were trained on other features ' +
        `(${change.length > 0 ? change.join('; ') : 'another order, width, table or pooling'})`,
      fix,
    };
    return;
  }
  for (const [i, field] of current.entries()) {
    if (!hasTable(field) && field.meaning !== saved[i]!.meaning)
      yield {
        key: `field '${field.name}'`,
        message: `the encoding is ${field.meaning}, but ${saved[i]!.meaning} in the checkpoint`,
        fix: `restore the encoding, or ${fix}`,
      };
  }
}

/** Checks that the labels of loaded output layers have the same scaling. */
export function* checkScale(
  saved: Task | undefined,
  current: Task,
  outputLayers: readonly string[],
): Generator<Problem> {
  if (saved === undefined || outputLayers.length === 0) return;
  const formatScaling = ({ scaling = 'none' }: Task): string => [scaling].flat().join(', ');
  if (formatScaling(saved) === formatScaling(current)) return;
  yield {
    key: `tasks.${current.name}.scaling`,
    message:
      `the scaling is ${formatScaling(current)}, ` +
      `but the checkpoint's output layer was trained with ${formatScaling(saved)}`,
    fix: `restore the scaling or ${excludeHint(...toPatterns(outputLayers))}`,
  };
}

/** Finds the outermost layers of tensors, by their names without the last part. */
function findLayers(names: readonly string[]): readonly string[] {
  const layers = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf('.'))))];
  return layers.filter((layer) => !layers.some((other) => layer.startsWith(`${other}.`)));
}

function toPatterns(names: readonly string[]): readonly string[] {
  return findLayers(names).map((layer) => `${layer}.*`);
}

function excludeHint(...patterns: readonly string[]): string {
  return `exclude it: ${formatExclusion(...patterns)}`;
}

/** Groups of weights with an optimizer of their own. */
type WeightGroup = 'embeddings' | 'wide' | 'dense';

/**
 * Checks that the optimizers have the same state.
 * @param isTaken whether any weights of a group are loaded
 */
export function* checkOptimizers(
  savedTraining: Training,
  currentTraining: Training,
  isTaken: Readonly<Record<WeightGroup, boolean>>,
): Generator<Problem> {
  const [saved, current] = [describeOptimizerState(savedTraining), describeOptimizerState(currentTraining)];
  for (const part of ['embeddings', 'wide', 'dense'] as const) {
    if (!isTaken[part] || saved[part] === current[part]) continue;
    const fix = 'set initFrom.optimizer: reset, or restore the optimizer and the EMA of the checkpoint';
    const message = `the optimizer state is ${current[part]}, but ${saved[part]} in the checkpoint`;
    yield { key: `training.optimizer.${part}`, message, fix };
  }
}

function describeOptimizerState({ optimizer, ema }: Training): Readonly<Record<WeightGroup, string>> {
  const formatSlots = (slots: readonly { readonly name: string; readonly per: string }[]): string =>
    (slots.map(({ name, per }) => `${name} per ${per}`).join(', ') || 'nothing') +
    (ema === undefined ? '' : ' and an EMA');
  const { dense, embeddings, wide = embeddings } = optimizer;
  return {
    dense: formatSlots(optimizers.build(dense).slots),
    embeddings: formatSlots(optimizers.build(embeddings).slots),
    wide: formatSlots(optimizers.build(wide).slots),
  };
}
