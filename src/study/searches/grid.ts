import { gridPoints, type Point } from '../space.js';
import { defineSearch } from './search.js';

/** Grid search: all combinations, once each. */
export const grid = defineSearch({
  name: 'grid',
  summary: 'Grid search: every combination once, in the order of the space',
  options: () => ({}),
  needsGrid: true,
  build(_, space) {
    const points: Point[] = [...gridPoints(space)];
    return { size: points.length, suggest: (number) => points[number - 1]! };
  },
});
