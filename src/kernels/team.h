// The worker that runs a kernel, among those that share the memory: its share of the work, claims and the barrier.

#ifndef TEAM_H
#define TEAM_H

#include <stddef.h>
#include <stdint.h>

/**
 * A kernel that lists of calls name: it computes the share of the worker that runs it. Addresses are pointers, counts
 * are int32_t. The build reads names and parameters from here.
 */
#if defined(__wasm__)
#define KERNEL(name) __attribute__((export_name(#name))) void NAME(name)
// A function that a module of text exports: it returns a value, or no list of calls names it.
#define KERNEL_OF(type, name) __attribute__((export_name(#name))) type name
// A global of the instance: static variables are in the memory that all workers share.
#define OWN __attribute__((address_space(1)))
#else
#define KERNEL(name) void NAME(name)
#define OWN _Thread_local
#endif
#define INLINE static inline __attribute__((always_inline))

/** A barrier: workers that have arrived, and its generation; `failed` is nonzero once a worker has ended. */
typedef struct {
  int32_t arrived, generation, unused[6], failed;
} barrier_words;
typedef barrier_words *barrier_place;

/** This worker and the number of workers. */
extern OWN int32_t thread, threads;
/** Whether a number with an infinite square was seen since `refuseUnlessFinite` was last called. */
extern OWN int32_t saw_other;

/** Returns the memory at an address that a program stores in its memory. */
#if defined(__wasm__)
static inline void *place_at(uint32_t address) { return (void *)(uintptr_t)address; }
#else
extern OWN char *memory_begin;
static inline void *place_at(uint32_t address) { return memory_begin + address; }
#endif

/** Ends the step of this worker: the process reports an error. */
_Noreturn void fail(void);

/**
 * Start of this worker's share of `count` items (unsigned) that are handed out `unit` at a time, or of the rows that it
 * was assigned.
 */
size_t share_begin(int32_t count, int32_t unit);
size_t share_end(int32_t count, int32_t unit);
/** Assigns rows to this worker, which its next kernel computes in place of a share; or nothing. */
void assign_rows(size_t begin, size_t end);
void assign_nothing(void);
/** First column of this worker among `columns`, whose cache lines have the indices `slot` and up of `slots`. */
size_t slot_begin(int32_t columns, int32_t slot, int32_t slots);
size_t slot_end(int32_t columns, int32_t slot, int32_t slots);
/** Takes the resource with a claim, unless another worker has it; true for one worker. */
int take(int32_t *claim);
/** Whether this worker has the resource that it last tried to take. */
int has(void);
/** Whether this worker does what a single worker does. */
static inline int is_first(void) { return thread == 0; }
/** Whether this worker does the item at `turn`, if each item is one worker's. */
static inline int is_turn(int32_t turn) { return turn % threads == thread; }

#endif
