// Runs the calls of a list. A call is two doubles, its kernel and the doubles up to the next call, and its arguments.

#include "run.h"
#include "kernel-calls.h"
#include "vector.h"

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

#if defined(__wasm__)
__attribute__((export_name("run")))
#endif
const double *NAME(run)(const double *call, const double *end) {
  for (; call < end && call[0] >= 0; call += (size_t)call[1]) CALLS[(size_t)call[0]](call + 2);
  return call;
}
