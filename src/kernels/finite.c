// Whether gradients are finite, and their squares too, which optimizers keep. Kernels look at gradients where they
// write them: the numbers are in registers then, and the step can still be skipped.

#include "vector.h"

/** Sets `refused` to 1 if this worker has seen a number whose square is not finite since the last call. */
KERNEL(refuseUnlessFinite)(uint32_t *refused) {
  if (saw_other) *refused = 1;
  saw_other = 0;
}

/** Looks at `count` gradients that no kernel computed. */
KERNEL(watchAll)(const float *numbers, int32_t count) {
  vector seen = splat(0);
  for (int32_t i = 0; i < count; i += LANES) seen = look(seen, load_some(numbers + i, (size_t)(count - i)));
  keep(seen);
}
