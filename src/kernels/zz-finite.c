#include "vector.h"
KERNEL(refuseUnlessFinite)(int32_t *refused) { if (saw_other) *refused = 1; saw_other = 0; }
