import { drawCoordinate, choosePoint } from '../space.js';
import { defineSearch } from './search.js';

/**
 * Random search with independent points (Bergstra & Bengio 2012), which depend on the study's seed and the trial's
 * number.
 */
export const random = defineSearch({
  name: 'random',
  summary: 'Random search with independent samples',
  options: () => ({}),
  needsGrid: false,
  build: (_, space) => ({
    size: Infinity,
    suggest: (_number, _seen, stream) => choosePoint(space, ({ domain }) => drawCoordinate(domain.axis, stream)),
  }),
});
