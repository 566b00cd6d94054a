import type { Random } from '../../core/random.js';
import { coordinatesToSet, drawCoordinate, choosePoint, type Parameter, type Point, type Space } from '../space.js';

/** Samples points of the first trials, before a model of them decides. */
export interface Startup {
  /** Reports whether some choice was never tried; ignores parameters that no point can set. */
  hasUntried(points: readonly Point[]): boolean;
  /** Samples a point with an untried choice, if there is one, and the least tried choices of all other parameters. */
  draw(points: readonly Point[], random: Random): Point;
}

/** Creates the startup phase of a search. */
export function createStartup(space: Space): Startup {
  const lists = space.filter(
    (parameter) =>
      parameter.domain.axis.kind === 'list' &&
      Object.hasOwn(
        choosePointThatSets(space, parameter, () => 0),
        parameter.name,
      ),
  );
  const findUntried = (points: readonly Point[]) =>
    lists.find((parameter) => findLeastTried(parameter, points).count === 0);
  return {
    hasUntried: (points) => findUntried(points) !== undefined,
    draw(points, random) {
      const draw = (parameter: Parameter): number => {
        if (parameter.domain.axis.kind !== 'list') return drawCoordinate(parameter.domain.axis, random);
        const { choices } = findLeastTried(parameter, points);
        return choices[random.below(choices.length)]!;
      };
      const untried = findUntried(points);
      return untried === undefined ? choosePoint(space, draw) : choosePointThatSets(space, untried, draw);
    },
  };
}

/** Builds a point at which a parameter is set; all other coordinates are chosen. */
function choosePointThatSets(space: Space, parameter: Parameter, choose: (parameter: Parameter) => number): Point {
  const needed = coordinatesToSet(space, parameter);
  return choosePoint(space, (other) => needed.get(other.name) ?? choose(other));
}

/** Finds the least tried choices of a parameter and their count. */
function findLeastTried(
  { name, domain: { axis, toCoordinate } }: Parameter,
  points: readonly Point[],
): { readonly count: number; readonly choices: readonly number[] } {
  const counts = new Array<number>(axis.kind === 'list' ? axis.count : 0).fill(0);
  for (const point of points) {
    const coordinate = Object.hasOwn(point, name) ? toCoordinate(point[name]) : undefined;
    if (coordinate !== undefined) counts[coordinate]!++;
  }
  const count = Math.min(...counts);
  return { count, choices: counts.flatMap((each, choice) => (each === count ? [choice] : [])) };
}
