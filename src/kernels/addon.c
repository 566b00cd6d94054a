// The kernels for Node, through Node-API. Addresses are offsets from the memory of a program, and are not checked: the
// compiler of programs keeps them within their buffers.

#include "failure.h"
#include "run.h"
#include "team.h"
#include <node_api.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/** A family of processors: whether this one belongs to it, and its kernels. */
typedef struct {
  const char *name;
  int (*is_here)(void);
  run_calls *run;
} family;

#if defined(__x86_64__)
// Reads the processor itself: __builtin_cpu_supports finds no feature in a library that zig links, since its runtime
// does not fill the table. Bits: Intel, Software Developer's Manual 2A, CPUID, and 1, 13.3 (XCR0).
enum { BASE = 1, EXTENDED = 7, BF16_LEAF = 1 };
enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, AVX512BW = 1 << 30 };
enum { AVX512BF16 = 1 << 5 };
#define AVX512VL (1u << 31)
/** Registers that the system saves for a thread: XMM and YMM; masks and ZMM. */
enum { SAVES_YMM = 0x06, SAVES_ZMM = 0xe6 };

/** Registers of CPUID. */
typedef struct {
  uint32_t a, b, c, d;
} cpuid_words;
/** Zeros if the processor has no such leaf. */
static cpuid_words ask_processor(uint32_t leaf, uint32_t subleaf) {
  cpuid_words is = {0};
  if (!__get_cpuid_count(leaf, subleaf, &is.a, &is.b, &is.c, &is.d)) return (cpuid_words){0};
  return is;
}
static int has_extended(uint32_t bits) { return (ask_processor(EXTENDED, 0).b & bits) == bits; }
/** Whether it fuses products and sums, and the system saves these registers. */
static int has_fused(uint32_t saved) {
  if ((ask_processor(BASE, 0).c & (FMA | OSXSAVE)) != (FMA | OSXSAVE)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & saved) == saved;
}
#if defined(__APPLE__)
// macOS saves ZMM from a thread's first use of it on, and shows that only then.
static int has_avx512(void) { return has_fused(SAVES_YMM) && has_extended(AVX512F | AVX512DQ); }
#else
static int has_avx512(void) { return has_fused(SAVES_ZMM) && has_extended(AVX512F | AVX512DQ); }
#endif
static int has_avx2(void) { return has_fused(SAVES_YMM) && has_extended(AVX2); }
extern run_calls run_avx512, run_avx2;
// Older compilers do not know the instructions.
#if defined(WITH_BF16)
static int has_bf16(void) {
  return has_avx512() && has_extended(AVX512BW | AVX512VL) && ask_processor(EXTENDED, 0).a >= BF16_LEAF &&
    (ask_processor(EXTENDED, BF16_LEAF).a & AVX512BF16);
}
extern run_calls run_avx512bf16;
#endif
/** The fastest first. */
static const family FAMILIES[] = {
#if defined(WITH_BF16)
  {"AVX-512-BF16", has_bf16, run_avx512bf16},
#endif
  {"AVX-512", has_avx512, run_avx512},
  {"AVX2", has_avx2, run_avx2},
};
#else
static int has_neon(void) { return 1; }
extern run_calls run_neon;
static const family FAMILIES[] = {{"NEON", has_neon, run_neon}};
#endif
#define NUM_FAMILIES (sizeof FAMILIES / sizeof *FAMILIES)

/** Maximum number of arguments of a kernel that JavaScript calls directly. */
#define MAX_ARGUMENTS 32

static napi_value number_of(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

/** Runs calls on a memory; throws if a kernel fails. */
static napi_value run_on(napi_env env, double family_at, double memory, const double *call, const double *end) {
  memory_begin = (char *)(uintptr_t)memory;
  if (setjmp(on_failure)) {
    napi_throw_error(env, NULL, "a kernel failed");
    return NULL;
  }
  return number_of(env, (double)((const char *)FAMILIES[(size_t)family_at].run(call, end) - memory_begin));
}

/** run(family, memory, from, to): runs the calls of a list; returns the offset at which it stopped */
static napi_value run_list(napi_env env, napi_callback_info info) {
  napi_value values[4];
  size_t count = 4;
  double n[4] = {0};
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  for (size_t i = 0; i < 4; i++) napi_get_value_double(env, values[i], &n[i]);
  const char *memory = (const char *)(uintptr_t)n[1];
  return run_on(env, n[0], n[1], (const double *)(memory + (size_t)n[2]), (const double *)(memory + (size_t)n[3]));
}

/** call(family, memory, kernel, …arguments): runs a kernel; more than MAX_ARGUMENTS are an error. */
static napi_value call_kernel(napi_env env, napi_callback_info info) {
  napi_value values[3 + MAX_ARGUMENTS];
  size_t count = 3 + MAX_ARGUMENTS;
  double n[3] = {0}, call[HEAD + MAX_ARGUMENTS] = {0};
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  if (count > 3 + MAX_ARGUMENTS) {
    napi_throw_error(env, NULL, "too many arguments of a kernel");
    return NULL;
  }
  for (size_t i = 0; i < 3; i++) napi_get_value_double(env, values[i], &n[i]);
  for (size_t i = 3; i < count; i++) napi_get_value_double(env, values[i], &call[HEAD + i - 3]);
  call[KERNEL_INDEX] = n[2];
  call[NEXT] = HEAD + MAX_ARGUMENTS;
  return run_on(env, n[0], n[1], call, call + HEAD + MAX_ARGUMENTS);
}

#define HUGE_PAGE ((uintptr_t)2 << 20)
/** Smaller arrays stay within reach of the caches. */
#define MIN_HUGE (16 * HUGE_PAGE)

/** useHugePages(array): requests huge pages if it is large, since finding a page costs as much as reading a row */
static napi_value use_huge_pages(napi_env env, napi_callback_info info) {
#ifdef MADV_HUGEPAGE
  napi_value value;
  napi_typedarray_type type;
  size_t count = 1, length = 0;
  void *array = NULL;
  napi_get_cb_info(env, info, &count, &value, NULL, NULL);
  napi_get_typedarray_info(env, value, &type, &length, &array, NULL, NULL);
  const size_t bytes = type == napi_uint8_array ? length : length * sizeof(float);
  const uintptr_t begin = ((uintptr_t)array + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1),
                  end = ((uintptr_t)array + bytes) & ~(HUGE_PAGE - 1);
  // If the system does not grant them, the array is usable all the same.
  if (bytes >= MIN_HUGE) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)env, (void)info;
#endif
  return NULL;
}

/** addressOf(array): its address, the same in every thread of this process */
static napi_value address_of(napi_env env, napi_callback_info info) {
  napi_value value;
  size_t count = 1;
  void *array = NULL;
  napi_get_cb_info(env, info, &count, &value, NULL, NULL);
  napi_get_typedarray_info(env, value, NULL, NULL, &array, NULL, NULL);
  return number_of(env, (double)(uintptr_t)array);
}

/** families(): [name, whether this processor belongs to it] of each, the fastest first; `run` takes its index */
static napi_value list_families(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value list;
  napi_create_array(env, &list);
  for (uint32_t f = 0; f < NUM_FAMILIES; f++) {
    napi_value pair, name, is_here;
    napi_create_array(env, &pair);
    napi_create_string_utf8(env, FAMILIES[f].name, NAPI_AUTO_LENGTH, &name);
    napi_get_boolean(env, FAMILIES[f].is_here(), &is_here);
    napi_set_element(env, pair, 0, name);
    napi_set_element(env, pair, 1, is_here);
    napi_set_element(env, list, f, pair);
  }
  return list;
}

static void export(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value);
  napi_set_named_property(env, exports, name, value);
}

NAPI_MODULE_INIT() {
  export(env, exports, "families", list_families);
  export(env, exports, "addressOf", address_of);
  export(env, exports, "useHugePages", use_huge_pages);
  export(env, exports, "run", run_list);
  export(env, exports, "call", call_kernel);
  return exports;
}
