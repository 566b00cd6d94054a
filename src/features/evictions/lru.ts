import { defineEviction } from './eviction.js';

/** Evicts the least recently used token, which is the first in the order of use. */
export const lru = defineEviction({
  name: 'lru',
  summary: 'the least recently used token',
  options: () => ({}),
  build: () => ({
    hasKeys: false,
    start: (rows) => ({
      choose({ batch }) {
        const { oldest } = rows;
        return rows.lastUse(oldest).batch === batch ? 0 : oldest;
      },
    }),
  }),
});
