import type { Experiment } from '../config/experiment.js';
import { didYouMean, joined, type Problem } from '../core/errors.js';
import { hasTable, type Field } from '../features/feature.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { InitFromOptions } from '../runs/init-from.js';
import type { Task } from '../core/tasks.js';
import { allBut, listed, compilePattern } from './names.js';

// What can be wrong between a checkpoint and the model that takes of it: each with its place and the cure.

/** Shapes in words, by the name of a tensor. */
export type Shapes = ReadonlyMap<string, string>;
type Training = Experiment['training'];

/** Every pattern is of some tensor that both have. */
export function* checkPatterns(take: InitFromOptions['include'], had: Shapes, has: Shapes): Generator<Problem> {
  if (typeof take === 'string') return;
  const known = [...has.keys()].filter((name) => had.has(name));
  for (const [i, pattern] of take.entries()) {
    const matcher = compilePattern(pattern);
    if (known.some((name) => matcher.test(name))) continue;
    const isIn = (shapes: Shapes): boolean => [...shapes.keys()].some((name) => matcher.test(name));
    const message = isIn(had)
      ? 'the model has no such tensor, the checkpoint has'
      : isIn(has)
        ? 'the checkpoint has no such tensor, the model has'
        : 'neither the checkpoint nor the model has such a tensor';
    yield {
      key: `initFrom.include.${i}`,
      message: joined(`'${pattern}': ${message}`, didYouMean(pattern.replace(/^!/, ''), known)),
      fix: `both have ${listed(known)}`,
    };
  }
  if (take.every((pattern) => pattern.startsWith('!')))
    yield { key: 'initFrom.include', message: 'says only what is left out', fix: "write '*' first for all the rest" };
}

/** A layer that is taken has the shape that it had. */
export function* checkShapes(names: readonly string[], had: Shapes, has: Shapes): Generator<Problem> {
  const others = names.filter((name) => had.get(name) !== has.get(name));
  const fix = `give it the width that it had, or ${leaveOut(...ofLayers(others))}`;
  for (const layer of layersOf(others)) {
    const name = others.find((each) => each.startsWith(`${layer}.`))!;
    yield {
      key: layer,
      message: `its tensor ${name.slice(layer.length + 1)} has the shape ${had.get(name)} in the checkpoint, here ${has.get(name)}`,
      fix,
    };
  }
}

/** A table of a model. */
export interface Table {
  /** Name of its tensor. */
  readonly tensor: string;
  /** The field whose ids its rows are of. */
  readonly ids: Field;
  /** What the parts of a row are for, and how wide each is. */
  readonly parts: readonly string[];
  readonly width: number;
  readonly isWide: boolean;
}

/**
 * The rows of a table that is taken are as wide as they were, of the same ids, and their parts are of use to what had
 * them.
 */
export function* checkTable(was: Table, is: Table): Generator<Problem> {
  const key = `field '${is.ids.name}'`;
  const or = `or ${leaveOut(is.tensor)}`;
  if (was.ids.name !== is.ids.name)
    yield {
      key,
      message: `${is.tensor} has the ids of '${was.ids.name}' in the checkpoint, here its own`,
      fix: `let it share the table that it shared, ${or}`,
    };
  else if (was.ids.meaning !== is.ids.meaning)
    yield {
      key,
      message: `is encoded as ${was.ids.meaning} in the checkpoint, here as ${is.ids.meaning}, so that its rows mean something else`,
      fix: `give it the encoding that it had, ${or}`,
    };
  if (was.width !== is.width)
    yield {
      key,
      message: `its embeddings have width ${was.width} in the checkpoint, here ${is.width}`,
      fix: `give it width: ${was.width}, ${or}`,
    };
  if (was.parts.join() !== is.parts.join())
    yield {
      key,
      message: `the rows of ${is.tensor} have parts for ${was.parts.join(', ')} in the checkpoint, here for ${is.parts.join(', ')}`,
      fix: `take the model and the tasks that it had, ${or}`,
    };
}

/** What layers read must lie where it lay, and mean what it meant. */
export function* checkInput(
  was: readonly Field[],
  is: readonly Field[],
  readers: readonly string[],
): Generator<Problem> {
  const fix = `take the tables alone, include: embeddings, or all but the layers that read them: ${allBut(...ofLayers(readers))}`;
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
      ...(added.length > 0 ? [`with ${listed(added)} more`] : []),
      ...(gone.length > 0 ? [`without ${listed(gone)}`] : []),
    ];
    yield {
      key: 'features',
      message: `${change.length > 0 ? change.join(' and ') : 'in another order, width, table or pooling'} than in the checkpoint, whose first layers learned to read them where they lay`,
      fix,
    };
    return;
  }
  for (const [i, field] of is.entries()) {
    if (!hasTable(field) && field.meaning !== was[i]!.meaning)
      yield {
        key: `field '${field.name}'`,
        message: `is ${was[i]!.meaning} in the checkpoint, here ${field.meaning}`,
        fix: `say of it what was said then, or ${fix}`,
      };
  }
}

/** A layer that has learned to say a label in some units goes on in these. */
export function* checkScale(was: Task | undefined, is: Task, sayers: readonly string[]): Generator<Problem> {
  if (was === undefined || sayers.length === 0) return;
  const named = ({ scaling = 'none' }: Task): string => [scaling].flat().join(', ');
  if (named(was) === named(is)) return;
  yield {
    key: `tasks.${is.name}.scaling`,
    message: `is ${named(is)} and was ${named(was)} in the checkpoint, whose last layer learned to say that`,
    fix: `scale the label as it was, or ${leaveOut(...ofLayers(sayers))}`,
  };
}

/**
 * The layers that tensors belong to: what stands before the last part of their names, unless it is within another
 * one's.
 */
function layersOf(names: readonly string[]): readonly string[] {
  const all = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf('.'))))];
  return all.filter((layer) => !all.some((other) => layer.startsWith(`${other}.`)));
}

function ofLayers(names: readonly string[]): readonly string[] {
  return layersOf(names).map((layer) => `${layer}.*`);
}

function leaveOut(...patterns: readonly string[]): string {
  return `leave it out: ${allBut(...patterns)}`;
}

/** What has a rule of its own. */
type Ruled = 'embeddings' | 'wide' | 'dense';

/**
 * What the rules keep must be what they kept.
 * @param isTaken whether anything is taken that a rule is for
 */
export function* checkOptimizers(
  before: Training,
  now: Training,
  isTaken: Readonly<Record<Ruled, boolean>>,
): Generator<Problem> {
  const [was, is] = [keptBy(before), keptBy(now)];
  for (const part of ['embeddings', 'wide', 'dense'] as const) {
    if (!isTaken[part] || was[part] === is[part]) continue;
    const fix =
      'write initFrom.optimizer: reset, or train with the optimizer and the average that the checkpoint was trained with';
    yield { key: `training.optimizer.${part}`, message: `keeps ${is[part]}, the checkpoint has ${was[part]}`, fix };
  }
}

function keptBy({ optimizer, ema }: Training): Readonly<Record<Ruled, string>> {
  const inWords = (slots: readonly { readonly name: string; readonly per: string }[]): string =>
    (slots.map(({ name, per }) => `${name} per ${per}`).join(', ') || 'nothing') +
    (ema === undefined ? '' : ' and an average');
  const { dense, embeddings, wide = embeddings } = optimizer;
  return {
    dense: inWords(optimizers.build(dense).slots),
    embeddings: inWords(optimizers.build(embeddings).slots),
    wide: inWords(optimizers.build(wide).slots),
  };
}
