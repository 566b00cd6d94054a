// Shares, claims and the barrier of workers.

// The same for every family of processors.
#define NAME(kernel) kernel##_team
#include "team.h"
#include "failure.h"

OWN int32_t thread = 0, threads = 1, saw_other = 0;
static OWN int32_t is_mine = 0;
static OWN barrier_place barrier_at;
/**
 * Rows that this worker was assigned; none if they begin at NOTHING. LLVM stores a flag of two values in memory, which
 * workers share.
 */
#define NOTHING SIZE_MAX
static OWN size_t assigned_begin = NOTHING, assigned_end = 0;

#if defined(__wasm__)
_Noreturn void fail(void) { __builtin_trap(); }

#include "heap-base.h"

/** Bytes of a worker's stack; stacks are below static variables, the first worker's on top. */
#define STACK_BYTES 8192
#define MAX_WORKERS 64
__asm__(".globaltype __stack_pointer, i32");
static void use_stack(int32_t self) {
  const int32_t top = STACK_BYTES * (MAX_WORKERS - self);
  __asm__ volatile("local.get %0\n\tglobal.set __stack_pointer" ::"r"(top));
}
#else
OWN char *memory_begin;
OWN jmp_buf on_failure;
_Noreturn void fail(void) { longjmp(on_failure, 1); }

static void use_stack(int32_t self) { (void)self; }
#endif

/** Sets this worker, the number of workers and their barrier; forgets what another program of this thread has seen. */
KERNEL(join)(int32_t self, int32_t count, barrier_words *barrier) {
  use_stack(self);
  saw_other = is_mine = 0;
  assigned_begin = NOTHING;
  thread = self;
  threads = count;
  barrier_at = barrier;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/** Reads a global of 32 bits: LLVM extends one to 64 by a load from memory, with the global's index as the address. */
static int32_t narrow_global(int32_t value) {
  __asm__("" : "+r"(value));
  return value;
}
/** First of `units` for a worker; in 64 bits, since units times workers exceed 32. */
static int64_t first_unit(int64_t units, int32_t worker) {
  return units * narrow_global(worker) / narrow_global(threads);
}

static size_t first_item(int32_t count, int32_t unit, int32_t worker) {
  const int64_t items = (uint32_t)count;
  return (size_t)least(items, first_unit((items + unit - 1) / unit, worker) * unit);
}

void assign_rows(size_t begin, size_t end) {
  assigned_begin = begin;
  assigned_end = end;
}
void assign_nothing(void) { assigned_begin = NOTHING; }

#if defined(__wasm__)
#define EXPORT(name) __attribute__((export_name(name)))
#else
#define EXPORT(name)
#endif
EXPORT("shareBegin") size_t share_begin(int32_t count, int32_t unit) {
  return assigned_begin != NOTHING ? assigned_begin : first_item(count, unit, thread);
}
EXPORT("shareEnd") size_t share_end(int32_t count, int32_t unit) {
  return assigned_begin != NOTHING ? assigned_end : first_item(count, unit, thread + 1);
}

static size_t first_column(int32_t columns, int32_t slot, int32_t slots, int32_t worker) {
  return (size_t)least(columns, most(0, first_unit(slots, worker) - slot) * 16);
}
size_t slot_begin(int32_t columns, int32_t slot, int32_t slots) {
  return first_column(columns, slot, slots, thread);
}
size_t slot_end(int32_t columns, int32_t slot, int32_t slots) {
  return first_column(columns, slot, slots, thread + 1);
}

int take(int32_t *claim) { return is_mine = threads == 1 || __atomic_exchange_n(claim, 1, __ATOMIC_SEQ_CST) == 0; }
int has(void) { return is_mine; }

/** Returns all claims, by the first worker; the others claim after a barrier. */
KERNEL(releaseTables)(int32_t *claims, int32_t count) {
  if (!is_first()) return;
  for (int32_t i = 0; i < count; i++) claims[i] = 0;
}

/** Times that a worker checks the barrier before it sleeps, and nanoseconds until it checks for a failure. */
enum { SPINS = 20000, WAKE_NS = 100000000 };

// Sleeps while a word has a value, at most WAKE_NS; and wakes all that sleep.
#if defined(__wasm__)
static void sleep_while(int32_t *word, int32_t value) { __builtin_wasm_memory_atomic_wait32(word, value, WAKE_NS); }
static void wake(int32_t *word) { __builtin_wasm_memory_atomic_notify(word, 0xffffffffu); }
#elif defined(__linux__)
static void sleep_while(int32_t *word, int32_t value) {
  const struct timespec most = {0, WAKE_NS};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &most, NULL, 0);
}
static void wake(int32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }
#elif defined(_WIN32)
static void sleep_while(int32_t *word, int32_t value) {
  WaitOnAddress(word, &value, sizeof value, WAKE_NS / 1000000);
}
static void wake(int32_t *word) { WakeByAddressAll(word); }
#else
static void sleep_while(int32_t *word, int32_t value) {
  (void)word, (void)value;
  nanosleep(&(struct timespec){0, 50000}, NULL);
}
static void wake(int32_t *word) { (void)word; }
#endif

/** Waits for all workers: spins, then sleeps; fails if a worker has ended. */
KERNEL(barrier)(void) {
  if (threads == 1) return;
  barrier_words *at = barrier_at;
  const int32_t generation = __atomic_load_n(&at->generation, __ATOMIC_SEQ_CST);
  if (__atomic_fetch_add(&at->arrived, 1, __ATOMIC_SEQ_CST) == threads - 1) {
    __atomic_store_n(&at->arrived, 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&at->generation, 1, __ATOMIC_SEQ_CST);
    wake(&at->generation);
    return;
  }
  for (int i = 0; i < SPINS; i++)
    if (__atomic_load_n(&at->generation, __ATOMIC_SEQ_CST) != generation) return;
  while (__atomic_load_n(&at->generation, __ATOMIC_SEQ_CST) == generation) {
    if (__atomic_load_n(&at->failed, __ATOMIC_SEQ_CST)) fail();
    sleep_while(&at->generation, generation);
  }
}
