import type { Random } from '../core/random.js';
import type { Axis, Domain } from './domains/domain.js';
import { domains, type ParameterSpec } from './domains/domains.js';
import type { ValidationIssue } from '../core/component.js';
import { didYouMean, joined, quoted } from '../core/errors.js';

/** A key of the config that is varied. */
export interface Parameter {
  /** Its path, as in `training.batchSize`. */
  readonly name: string;
  /** Paths that get its value: its own and those that go along. */
  readonly paths: readonly string[];
  readonly domain: Domain;
  /** Where it is set at all: values of parameters above it. */
  readonly when: readonly { readonly name: string; readonly values: readonly unknown[] }[];
}

/** The parameters of a study in their order. */
export type Space = readonly Parameter[];

/** Values by parameter; those that are not set are absent. */
export type Point = Readonly<Record<string, unknown>>;

/** The space that a study asks for. */
export function buildSpace(specs: Readonly<Record<string, ParameterSpec>>): Space {
  return Object.entries(specs).map(([name, spec]) => ({
    name,
    paths: [name, ...spec.linkedKeys],
    domain: domains.build(spec),
    when: Object.entries(spec.when).map(([parent, values]) => ({
      name: parent,
      values: Array.isArray(values) ? values : [values],
    })),
  }));
}

/**
 * What is wrong with a space as a whole: conditions on what is not above, values that are never taken, keys that are
 * set twice.
 */
export function* checkSpace(space: Space): Generator<ValidationIssue> {
  const taken = new Map<string, string>();
  for (const [i, { name, paths, when }] of space.entries()) {
    const above = space.slice(0, i);
    for (const path of paths) {
      // A section that replaces another is set first; keys below it may follow.
      const lost = [...taken.keys()].find((one) => one === path || one.startsWith(`${path}.`));
      if (lost !== undefined)
        yield {
          path: [name],
          message:
            lost === path
              ? `'${path}' is set by ${taken.get(path)} too`
              : `sets '${path}' whole, and with it '${lost}' again; let it stand above ${taken.get(lost)}`,
        };
      taken.set(path, name);
    }
    for (const { name: parent, values } of when) {
      const found = above.find((parameter) => parameter.name === parent);
      const names = above.map((parameter) => parameter.name);
      if (found === undefined) {
        yield {
          path: [name, 'when', parent],
          message: joined(
            `expected a parameter that stands above${names.length === 0 ? '; there is none' : ` (${names.join(', ')})`}`,
            didYouMean(parent, names),
          ),
        };
        continue;
      }
      const never = values.find((value) => found.domain.coordinateOf(value) === undefined);
      if (never !== undefined) yield { path: [name, 'when', parent], message: `${parent} is never ${quoted(never)}` };
    }
  }
}

/** Whether a parameter is set where those above it have the values of a point. */
export function isSet({ when }: Parameter, point: Point): boolean {
  return when.every(
    ({ name, values }) =>
      Object.hasOwn(point, name) && values.some((value) => JSON.stringify(value) === JSON.stringify(point[name])),
  );
}

/** A point, its parameters chosen one by one. */
export function choosePoint(space: Space, choose: (parameter: Parameter) => number): Point {
  const point: Record<string, unknown> = {};
  for (const parameter of space)
    if (isSet(parameter, point)) point[parameter.name] = parameter.domain.valueAt(choose(parameter));
  return point;
}

/** A coordinate, all as likely. */
export function drawCoordinate(axis: Axis, random: Random): number {
  return axis.kind === 'list' ? random.below(axis.count) : axis.low + (axis.high - axis.low) * random.uniform();
}

/** Every combination of a space, the last parameter changing fastest. Every domain has a grid. */
export function* gridPoints(space: Space, at = 0, above: Point = {}): Generator<Point> {
  const parameter = space[at];
  if (parameter === undefined) yield above;
  else if (!isSet(parameter, above)) yield* gridPoints(space, at + 1, above);
  else
    for (const coordinate of parameter.domain.grid ?? [])
      yield* gridPoints(space, at + 1, { ...above, [parameter.name]: parameter.domain.valueAt(coordinate) });
}

/**
 * Points in which every parameter has each of its choices, or both its ends, at least once, with the conditions that it
 * needs.
 */
export function* cornerPoints(space: Space): Generator<Point> {
  yield choosePoint(space, ({ domain }) => firstOf(domain.axis));
  for (const parameter of space) {
    for (const coordinate of cornersOf(parameter.domain.axis)) {
      const needed = coordinatesToSet(space, parameter);
      yield choosePoint(space, (other) =>
        other === parameter ? coordinate : (needed.get(other.name) ?? firstOf(other.domain.axis)),
      );
    }
  }
}

const firstOf = (axis: Axis): number => (axis.kind === 'list' ? 0 : axis.low);
const cornersOf = (axis: Axis): readonly number[] =>
  axis.kind === 'list' ? Array.from({ length: axis.count }, (_, i) => i) : [axis.low, axis.high];

/** Coordinates of the parameters above one that let it be set. */
export function coordinatesToSet(space: Space, { when }: Parameter): ReadonlyMap<string, number> {
  const parents = when.map(({ name, values }) => ({
    parent: space.find((parameter) => parameter.name === name)!,
    values,
  }));
  const needed = new Map(parents.flatMap(({ parent }) => [...coordinatesToSet(space, parent)]));
  // Its own conditions come last: a parent may be set under several values, of which the parameter allows fewer.
  for (const { parent, values } of parents) needed.set(parent.name, parent.domain.coordinateOf(values[0])!);
  return needed;
}

/** A point as texts of `--set`, in the order of the space. */
export function settings(space: Space, point: Point): readonly string[] {
  return space.flatMap(({ name, paths }) =>
    Object.hasOwn(point, name) ? paths.map((path) => `${path}=${JSON.stringify(point[name])}`) : [],
  );
}
