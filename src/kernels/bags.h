// Items of bags. `bag` has the offsets of the items' ids and factors in the memory, which a batch decides. Row b has
// items offsets[b] … offsets[b + 1].

#ifndef BAGS_H
#define BAGS_H

#include "tables.h"

/** Columns that are multiplied by fours, and so fused where `multiply_add` is; those beyond are not. */
#define FUSED(width) ((width) / 4 * 4)
/** Goes over the items from `first` to `stop`. */
#define EACH_ITEM for (const uint32_t *id = first; id < stop; id++)
/** Factor of the item of such a loop. */
#define FACTOR factors[id - ids]

INLINE const uint32_t *ids_of(const uint32_t *bag) { return place_at(bag[0]); }
INLINE float *factors_of(const uint32_t *bag) { return place_at(bag[1]); }

#endif
