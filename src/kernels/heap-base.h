// Included once per module: exports the first address that the module does not use.

#ifndef HEAP_BASE_H
#define HEAP_BASE_H

extern const char __heap_base;
__attribute__((export_name("heapBase"))) const char *heap_base(void) { return &__heap_base; }

#endif
