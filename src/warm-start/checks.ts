import type { Experiment } from '../config/experiment.js';
import { didYouMean, joined, type Problem } from '../core/errors.js';
import { hasTable, type Field } from '../features/feature.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { InitFromOptions } from '../runs/init-from.js';
import type { Task } from '../core/tasks.js';
import { allBut, listed, compilePattern } from './names.js';

// Checks that a checkpoint fits the model that loads it; each problem has its place and fix.

/** Formatted shapes by tensor name. */
export type Shapes = ReadonlyMap<string, string>;
type Training = Experiment['training'];

/** Checks that each pattern matches a tensor of both models. */
export function* checkPatterns(include: InitFromOptions['include'], had: Shapes, has: Shapes): Generator<Problem> {
  if (typeof include === 'string') return;
  const known = [...has.keys()].filter((name) => had.has(name));
  for (const [i, pattern] of include.entries()) {
    const matcher = compilePattern(pattern);
    if (known.some((name) => matcher.test(name))) continue;
    const isIn = (shapes: Shapes): boolean => [...shapes.keys()].some((name) => matcher.test(name));
    const message = isIn(had)
      ? 'matches tensors of the checkpoint, but none of the model'
      : isIn(has)
        ? 'matches tensors of the model, but none of the checkpoint'
        : 'matches no tensor of the checkpoint or the model';
    yield {
      key: `initFrom.include.${i}`,
      message: joined(`'${pattern}' ${message}`, didYouMean(pattern.replace(/^!/, ''), known)),
      fix: `both have ${listed(known)}`,
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
export function* checkShapes(names: readonly string[], had: Shapes, has: Shapes): Generator<Problem> {
  const others = names.filter((name) => had.get(name) !== has.get(name));
  const fix = `restore its width or ${leaveOut(...ofLayers(others))}`;
  for (const layer of layersOf(others)) {
    const name = others.find((each) => each.startsWith(`${layer}.`))!;
    yield {
      key: layer,
      message:
        `the shape of tensor ${name.slice(layer.length + 1)} is ${has.get(name)}, ` +
        `but ${had.get(name)} in the checkpoint`,
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
export function* checkTable(was: Table, is: Table): Generator<Problem> {
  const key = `field '${is.ids.name}'`;
  const or = `or ${leaveOut(is.tensor)}`;
  if (was.ids.name !== is.ids.name)
    yield {
      key,
      message: `${is.tensor} has its own ids, but those of '${was.ids.name}' in the checkpoint`,
      fix: `share the table again ${or}`,
    };
  else if (was.ids.meaning !== is.ids.meaning)
    yield {
      key,
      message: `the encoding is ${is.ids.meaning}, but ${was.ids.meaning} in the checkpoint, so its rows differ in meaning`,
      fix: `restore the encoding ${or}`,
    };
  if (was.width !== is.width)
    yield {
      key,
      message: `the embedding width is ${is.width}, but ${was.width} in the checkpoint`,
      fix: `set width: ${was.width} ${or}`,
    };
  if (was.parts.join() !== is.parts.join())
    yield {
      key,
      message:
        `the rows of ${is.tensor} have parts for ${is.parts.join(', ')}, ` +
        `but for ${was.parts.join(', ')} in the checkpoint`,
      fix: `restore the model and the tasks ${or}`,
    };
}

/** Checks that loaded layers read the same input at the same offsets. */
export function* checkInput(
  was: readonly Field[],
  is: readonly Field[],
  readers: readonly string[],
): Generator<Problem> {
  const fix =
    'load only the tables with include: embeddings, or exclude the layers that read the features: ' +
    allBut(...ofLayers(readers));
  const placed = (fields: readonly Field[]): string[] =>
    fields.map((field) =>
      JSON.stringify([field.name, field.kind, field.width, field.owner, 'pooling' in field ? field.pooling : null]),
    );
  if (placed(was).join() !== placed(is).join()) {
    const names = (fields: readonly Field[]): string[] => fields.map(({ name }) => name);
    const [added, gone] = [
      names(is).filter((name) => !names(was).includes(name)),
      names(was).filter((name) => !names(is).includes(name)),
    ];
    const change = [
      ...(added.length > 0 ? [`added: ${listed(added)}`] : []),
      ...(gone.length > 0 ? [`removed: ${listed(gone)}`] : []),
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
  for (const [i, field] of is.entries()) {
    if (!hasTable(field) && field.meaning !== was[i]!.meaning)
      yield {
        key: `field '${field.name}'`,
        message: `the encoding is ${field.meaning}, but ${was[i]!.meaning} in the checkpoint`,
        fix: `restore the encoding, or ${fix}`,
      };
  }
}

/** Checks that the labels of loaded output layers have the same scaling. */
export function* checkScale(was: Task | undefined, is: Task, sayers: readonly string[]): Generator<Problem> {
  if (was === undefined || sayers.length === 0) return;
  const named = ({ scaling = 'none' }: Task): string => [scaling].flat().join(', ');
  if (named(was) === named(is)) return;
  yield {
    key: `tasks.${is.name}.scaling`,
    message: `the scaling is ${named(is)}, but the checkpoint's output layer was trained with ${named(was)}`,
    fix: `restore the scaling or ${leaveOut(...ofLayers(sayers))}`,
  };
}

/** Finds the outermost layers of tensors, by their names without the last part. */
function layersOf(names: readonly string[]): readonly string[] {
  const all = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf('.'))))];
  return all.filter((layer) => !all.some((other) => layer.startsWith(`${other}.`)));
}

function ofLayers(names: readonly string[]): readonly string[] {
  return layersOf(names).map((layer) => `${layer}.*`);
}

function leaveOut(...patterns: readonly string[]): string {
  return `exclude it: ${allBut(...patterns)}`;
}

/** Groups of weights with an optimizer of their own. */
type Ruled = 'embeddings' | 'wide' | 'dense';

/**
 * Checks that the optimizers have the same state.
 * @param isTaken whether any weights of a group are loaded
 */
export function* checkOptimizers(
  before: Training,
  now: Training,
  isTaken: Readonly<Record<Ruled, boolean>>,
): Generator<Problem> {
  const [was, is] = [keptBy(before), keptBy(now)];
  for (const part of ['embeddings', 'wide', 'dense'] as const) {
    if (!isTaken[part] || was[part] === is[part]) continue;
    const fix = 'set initFrom.optimizer: reset, or restore the optimizer and the EMA of the checkpoint';
    const message = `the optimizer state is ${is[part]}, but ${was[part]} in the checkpoint`;
    yield { key: `training.optimizer.${part}`, message, fix };
  }
}

function keptBy({ optimizer, ema }: Training): Readonly<Record<Ruled, string>> {
  const inWords = (slots: readonly { readonly name: string; readonly per: string }[]): string =>
    (slots.map(({ name, per }) => `${name} per ${per}`).join(', ') || 'nothing') +
    (ema === undefined ? '' : ' and an EMA');
  const { dense, embeddings, wide = embeddings } = optimizer;
  return {
    dense: inWords(optimizers.build(dense).slots),
    embeddings: inWords(optimizers.build(embeddings).slots),
    wide: inWords(optimizers.build(wide).slots),
  };
}
