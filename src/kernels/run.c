// Runs the calls of a list. A call is its head, a few doubles, and its arguments.
//
// Between two barriers, workers share rows of the batch, each with all items of its rows: no call by rows reads what
// another worker writes. A phase of such calls begins with a call that has no kernel. A worker runs them for one block
// of its rows after the other, so that the items of a block remain in its cache.

#include "run.h"
#include "kernel-calls.h"
#include "sums.h"

// An argument: an address, an integer (unsigned ones wrap), a size, or a float.
#if defined(__wasm__)
#define ADDRESS(i) ((void *)(uintptr_t)a[i])
#else
#define ADDRESS(i) (a[i] == 0 ? NULL : (void *)(memory_begin + (ptrdiff_t)a[i]))
#endif
#define INTEGER(i) ((int32_t)(int64_t)a[i])
#define SIZE(i) ((size_t)a[i])
#define SINGLE(i) ((float)a[i])
#define DOUBLE(i) (a[i])

// The function of a kernel, by what it is compiled for.
#define FUNCTION_team(name) name##_team
#if defined(__AVX512BF16__)
#define FUNCTION_family(name) name##_avx512
#else
#define FUNCTION_family(name) NAME(name)
#endif
#define FUNCTION_bf16(name) NAME(name)

#define DECLARE(name, of, parameters, arguments) void FUNCTION_##of(name) parameters;
EACH_KERNEL(DECLARE)
#define DEFINE(name, of, parameters, arguments) \
  static void call_##name(__attribute__((unused)) const double *a) { FUNCTION_##of(name) arguments; }
EACH_KERNEL(DEFINE)
#define LIST(name, of, parameters, arguments) call_##name,
static void (*const CALLS[])(const double *) = { EACH_KERNEL(LIST) };

/** Instead of a kernel: the start of a phase by rows. Other negative numbers are for the caller. */
#define PHASE (-2)
/** The arguments of a phase. Offsets follow, of all domains that share the rows. */
enum { BATCH_ROWS, DOUBLES, BLOCK_COST, PARTS, DOMAINS, OFFSETS };

#if defined(__wasm__)
static const uint32_t *offsets_at(double address) { return (const uint32_t *)(uintptr_t)address; }
#else
static const uint32_t *offsets_at(double address) {
  return (const uint32_t *)(memory_begin + (ptrdiff_t)address);
}
#endif

/** Rows of the batch of this worker, or a block of them. */
static OWN size_t first_row, stop_row;

/** Assigns the rows that a call computes for these rows of the batch: so many for each of them, or its items. */
static void assign(const double *call) {
  const double of = call[ROWS];
  if (of == 0) {
    assign_nothing();
  } else if (of < 0) {
    const size_t each = (size_t)-of;
    assign_rows(first_row * each, stop_row * each);
  } else {
    size_t first = first_row, stop = stop_row;
    if (call[OUTER] != 0) {
      const uint32_t *outer = offsets_at(call[OUTER]);
      first = outer[first], stop = outer[stop];
    }
    const uint32_t *offsets = offsets_at(of);
    assign_rows(offsets[first], offsets[stop]);
  }
}

/** Cost of the first rows of the batch: their number and that of their items. */
static double cost_of(const double *phase, size_t rows) {
  double cost = (double)rows;
  for (size_t d = 0; d < (size_t)phase[DOMAINS]; d++) cost += offsets_at(phase[OFFSETS + d])[rows];
  return cost;
}

/** Returns the first row from `from` on, and up to `rows`, before which rows cost so much. */
static size_t row_at(const double *phase, size_t from, size_t rows, double cost) {
  size_t low = from, high = rows;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (cost_of(phase, middle) < cost) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Begins a phase: each worker gets rows of about the same cost, and whole parts of the batch if there are any. */
static void begin_phase(const double *phase) {
  const size_t rows = (size_t)phase[BATCH_ROWS], parts = (size_t)phase[PARTS],
               unit = parts == 0 ? 1 : part_rows(rows, parts);
  const double cost = cost_of(phase, rows);
  first_row = row_at(phase, 0, rows, cost * thread / threads) / unit * unit;
  stop_row = thread + 1 == threads ? rows : row_at(phase, 0, rows, cost * (thread + 1) / threads) / unit * unit;
}

/** Runs the calls of a phase for one block after the other. Calls without rows of the batch run once. */
static void run_blocks(const double *phase, const double *from, const double *to) {
  const size_t begin = first_row, end = stop_row;
  size_t block = begin;
  do {
    const size_t next = row_at(phase, block, end, cost_of(phase, block) + phase[BLOCK_COST]);
    first_row = block;
    stop_row = next > block || block == end ? next : block + 1;
    for (const double *call = from; call < to; call += (size_t)call[NEXT]) {
      if (call[ROWS] == 0 && block > begin) continue;
      assign(call);
      CALLS[(size_t)call[KERNEL_INDEX]](call + HEAD);
    }
    block = stop_row;
  } while (block < end);
}

#if defined(__wasm__)
__attribute__((export_name("run")))
#endif
const double *NAME(run)(const double *call, const double *end) {
  while (call < end && (call[KERNEL_INDEX] >= 0 || call[KERNEL_INDEX] == PHASE)) {
    const double *next = call + (size_t)call[NEXT], *args = call + HEAD;
    if (call[KERNEL_INDEX] >= 0) {
      assign(call);
      CALLS[(size_t)call[KERNEL_INDEX]](args);
    } else {
      begin_phase(args);
      const double *stop = next + (size_t)args[DOUBLES];
      if (args[BLOCK_COST] > 0 && stop <= end) {
        run_blocks(args, next, stop);
        next = stop;
      }
    }
    call = next;
  }
  // The caller makes the next call, if there is one.
  if (call < end) assign(call);
  else assign_nothing();
  return call;
}
