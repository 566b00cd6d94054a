import { drawCoordinate, choosePoint } from '../space.js';
import { defineSearch } from './search.js';

/**
 * Points that know nothing of each other (Bergstra & Bengio 2012): that of a trial follows from the study's seed and
 * its number.
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
