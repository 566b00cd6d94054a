import type { Random } from '../../core/random.js';
import { coordinatesToSet, drawCoordinate, choosePoint, type Parameter, type Point, type Space } from '../space.js';

/** Draws points for the trials before a model of them decides. */
export interface Startup {
  /** Whether a choice of any parameter was not tried yet; not counted are parameters that no point can set. */
  hasUntried(tried: readonly Point[]): boolean;
  /**
   * Draws a point with a choice that was not tried yet, if there is one, and the least tried choices of all other
   * parameters.
   */
  draw(tried: readonly Point[], random: Random): Point;
}

/** Startup of a search of a space. */
export function createStartup(space: Space): Startup {
  const lists = space.filter(
    (parameter) =>
      parameter.domain.axis.kind === 'list' &&
      Object.hasOwn(
        pointThatSets(space, parameter, () => 0),
        parameter.name,
      ),
  );
  const untriedOf = (tried: readonly Point[]) => lists.find((parameter) => leastTried(parameter, tried).count === 0);
  return {
    hasUntried: (tried) => untriedOf(tried) !== undefined,
    draw(tried, random) {
      const draw = (parameter: Parameter): number => {
        if (parameter.domain.axis.kind !== 'list') return drawCoordinate(parameter.domain.axis, random);
        const { choices } = leastTried(parameter, tried);
        return choices[random.below(choices.length)]!;
      };
      const untried = untriedOf(tried);
      return untried === undefined ? choosePoint(space, draw) : pointThatSets(space, untried, draw);
    },
  };
}

/** A point that has the values under which a parameter is set; all others are chosen. */
function pointThatSets(space: Space, parameter: Parameter, choose: (parameter: Parameter) => number): Point {
  const needed = coordinatesToSet(space, parameter);
  return choosePoint(space, (other) => needed.get(other.name) ?? choose(other));
}

/** The choices of a parameter that the fewest points have, and how many. */
function leastTried(
  { name, domain: { axis, coordinateOf } }: Parameter,
  tried: readonly Point[],
): { readonly count: number; readonly choices: readonly number[] } {
  const counts = new Array<number>(axis.kind === 'list' ? axis.count : 0).fill(0);
  for (const point of tried) {
    const coordinate = Object.hasOwn(point, name) ? coordinateOf(point[name]) : undefined;
    if (coordinate !== undefined) counts[coordinate]!++;
  }
  const count = Math.min(...counts);
  return { count, choices: counts.flatMap((each, choice) => (each === count ? [choice] : [])) };
}
