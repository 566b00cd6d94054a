import type { Random } from '../core/random.js';
import type { Axis, Domain } from './domains/domain.js';
import { domains, type ParameterSpec } from './domains/domains.js';
import type { ValidationIssue } from '../core/component.js';
import { didYouMean, joined, quoted } from '../core/errors.js';

/** A config key to search over. */
export interface Parameter {
  /** Config path, such as `training.batchSize`. */
  readonly name: string;
  /** Config paths that get its value: its own and linked keys. */
  readonly paths: readonly string[];
  readonly domain: Domain;
  /** Conditions: values of earlier parameters under which this one is set. */
  readonly when: readonly { readonly name: string; readonly values: readonly unknown[] }[];
}

/** Parameters of a study, in order. */
export type Space = readonly Parameter[];

/** Values by parameter; parameters that are not set are absent. */
export type Point = Readonly<Record<string, unknown>>;

/** Builds a space from its schema. */
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

/** Checks a space: conditions on parameters that are not above, conditions that never hold, keys that are set twice. */
export function* checkSpace(space: Space): Generator<ValidationIssue> {
  const setBy = new Map<string, string>();
  for (const [i, { name, paths, when }] of space.entries()) {
    const earlier = space.slice(0, i);
    for (const path of paths) {
      // A section must be set before keys below it.
      const overridden = [...setBy.keys()].find((one) => one === path || one.startsWith(`${path}.`));
      if (overridden !== undefined)
        yield {
          path: [name],
          message:
            overridden === path
              ? `'${path}' is also set by ${setBy.get(path)}; remove one of them`
              : `the section '${path}' overrides '${overridden}' above it; move it above ${setBy.get(overridden)}`,
        };
      setBy.set(path, name);
    }
    for (const { name: parent, values } of when) {
      const parentParameter = earlier.find((parameter) => parameter.name === parent);
      const names = earlier.map((parameter) => parameter.name);
      if (parentParameter === undefined) {
        yield {
          path: [name, 'when', parent],
          message: joined(
            `expected a parameter listed above${names.length === 0 ? ', but there is none' : ` (${names.join(', ')})`}`,
            didYouMean(parent, names),
          ),
        };
        continue;
      }
      const impossible = values.find((value) => parentParameter.domain.toCoordinate(value) === undefined);
      if (impossible !== undefined)
        yield { path: [name, 'when', parent], message: `${parent} cannot have the value ${quoted(impossible)}` };
    }
  }
}

/** Reports whether the conditions of a parameter hold at a point. */
export function isSet({ when }: Parameter, point: Point): boolean {
  return when.every(
    ({ name, values }) =>
      Object.hasOwn(point, name) && values.some((value) => JSON.stringify(value) === JSON.stringify(point[name])),
  );
}

/** Builds a point by choosing a coordinate for each parameter that is set. */
export function choosePoint(space: Space, choose: (parameter: Parameter) => number): Point {
  const point: Record<string, unknown> = {};
  for (const parameter of space)
    if (isSet(parameter, point)) point[parameter.name] = parameter.domain.toValue(choose(parameter));
  return point;
}

/** Draws a uniform coordinate. */
export function drawCoordinate(axis: Axis, random: Random): number {
  return axis.kind === 'list' ? random.below(axis.count) : axis.low + (axis.high - axis.low) * random.uniform();
}

/** Generates all combinations of a space, the last parameter changing fastest; requires a grid for each domain. */
export function* gridPoints(space: Space, index = 0, point: Point = {}): Generator<Point> {
  const parameter = space[index];
  if (parameter === undefined) yield point;
  else if (!isSet(parameter, point)) yield* gridPoints(space, index + 1, point);
  else
    for (const coordinate of parameter.domain.grid ?? [])
      yield* gridPoints(space, index + 1, { ...point, [parameter.name]: parameter.domain.toValue(coordinate) });
}

/** Generates points that cover each choice or both ends of each parameter, under its conditions. */
export function* cornerPoints(space: Space): Generator<Point> {
  yield choosePoint(space, ({ domain }) => getFirst(domain.axis));
  for (const parameter of space) {
    for (const coordinate of listCorners(parameter.domain.axis)) {
      const coordinates = coordinatesToSet(space, parameter);
      yield choosePoint(space, (other) =>
        other === parameter ? coordinate : (coordinates.get(other.name) ?? getFirst(other.domain.axis)),
      );
    }
  }
}

const getFirst = (axis: Axis): number => (axis.kind === 'list' ? 0 : axis.low);
const listCorners = (axis: Axis): readonly number[] =>
  axis.kind === 'list' ? Array.from({ length: axis.count }, (_, i) => i) : [axis.low, axis.high];

/** Returns coordinates of earlier parameters under which a parameter is set. */
export function coordinatesToSet(space: Space, { when }: Parameter): ReadonlyMap<string, number> {
  const parents = when.map(({ name, values }) => ({
    parent: space.find((parameter) => parameter.name === name)!,
    values,
  }));
  const coordinates = new Map(parents.flatMap(({ parent }) => [...coordinatesToSet(space, parent)]));
  // Own conditions come last: a parent may be set under several values, of which the parameter allows fewer.
  for (const { parent, values } of parents) coordinates.set(parent.name, parent.domain.toCoordinate(values[0])!);
  return coordinates;
}

/** Formats a point as values of `--set`, in the order of the space. */
export function formatSettings(space: Space, point: Point): readonly string[] {
  return space.flatMap(({ name, paths }) =>
    Object.hasOwn(point, name) ? paths.map((path) => `${path}=${JSON.stringify(point[name])}`) : [],
  );
}
