// The kernels for Node, through Node-API. What is called has checked that all addresses lie in the memory.

#include "kernels.h"
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/** A family of processors, and whether this one is of it. */
typedef struct {
  const char *name;
  int (*is_here)(void);
  kernels all;
  /**
   * Products of operands that are rounded to bfloat16, and whether this processor has them; NULL where none of the
   * family does.
   */
  const kernels *bf16;
  int (*has_bf16)(void);
} family;

#if defined(__x86_64__)
static int has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
}
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
// Older compilers know no such instructions.
#if defined(WITH_BF16)
static int has_bf16(void) {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
    __builtin_cpu_supports("avx512vl");
}
static const kernels bf16 = {.gemm = gemm_bf16, .gemm_gradient = gemm_gradient_bf16};
#define BF16 &bf16, has_bf16
#else
#define BF16 NULL, NULL
#endif
/** The fastest first. */
static const family families[] = {
  {"AVX-512", has_avx512, KERNELS_OF(avx512), BF16},
  {"AVX2", has_avx2, KERNELS_OF(avx2), NULL, NULL},
};
#else
static int has_neon(void) { return 1; }
static const family families[] = {{"NEON", has_neon, KERNELS_OF(neon), NULL, NULL}};
#endif
#define FAMILIES (sizeof families / sizeof *families)

/** What a function of JavaScript works on, and the rule that it applies if it updates rows. */
typedef struct {
  const kernels *kernels;
  char *memory;
  update_kernel *update;
} place;

#define MOST_ARGUMENTS 14

/** Reads so many arguments; those that are no numbers are 0. */
static const place *arguments_of(napi_env env, napi_callback_info info, size_t count, int64_t *numbers) {
  napi_value values[MOST_ARGUMENTS];
  void *data;
  memset(numbers, 0, MOST_ARGUMENTS * sizeof *numbers);
  napi_get_cb_info(env, info, &count, values, NULL, &data);
  for (size_t i = 0; i < count; i++) napi_get_value_int64(env, values[i], &numbers[i]);
  return data;
}

/** Reads an argument that is not whole. */
static float fraction_of(napi_env env, napi_callback_info info, size_t place) {
  napi_value values[MOST_ARGUMENTS];
  size_t count = MOST_ARGUMENTS;
  double value = 0;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  napi_get_value_double(env, values[place], &value);
  return (float)value;
}

static napi_value number(napi_env env, int value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

// Where arguments lie: within the memory, or, of tables, anywhere.
#define FLOATS(offset) ((float *)(at->memory + (offset)))
#define WORDS(offset) ((uint32_t *)(at->memory + (offset)))
#define TABLE(address) ((float *)(uintptr_t)(address))

/** gemm(a, lda, panels at, bias, c, ldc, begin, end, k, panels, accumulate) */
static napi_value call_gemm(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 11, n);
  at->kernels->gemm(
    FLOATS(n[0]), n[1], FLOATS(n[2]), n[3] ? FLOATS(n[3]) : NULL, FLOATS(n[4]), n[5], n[6], n[7], n[8], n[9], n[10] != 0
  );
  return NULL;
}

/**
 * gemmGradient(x, ldx, d, ldd, g, rows, begin, end, k, panels, accumulate): whether the squares of all sums are finite
 */
static napi_value call_gemm_gradient(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 11, n);
  return number(
    env,
    at->kernels->gemm_gradient(
      FLOATS(n[0]), n[1], FLOATS(n[2]), n[3], FLOATS(n[4]), n[5], n[6], n[7], n[8], n[9], n[10] != 0
    )
  );
}

/**
 * lookup(ids, address of the table, its rows at the most, stride, width, y, ldy, begin, end): whether the table has all
 * ids
 */
static napi_value call_lookup(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 9, n);
  return number(env, at->kernels->lookup(WORDS(n[0]), TABLE(n[1]), n[2], n[3], n[4], FLOATS(n[5]), n[6], n[7], n[8]));
}

/**
 * lookupBags(ids, factors, offsets, address of the table, its rows at the most, stride, width, y, ldy, begin, end):
 * whether the table has all ids
 */
static napi_value call_lookup_bags(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 11, n);
  return number(
    env,
    at->kernels->lookup_bags(
      WORDS(n[0]), FLOATS(n[1]), WORDS(n[2]), TABLE(n[3]), n[4], n[5], n[6], FLOATS(n[7]), n[8], n[9], n[10]
    )
  );
}

/**
 * gatherGradients(ids, d, ldd, width, hash, distinct, gradients, areas, bytes from area to area, count at, rows, is
 * fresh): what it came to
 */
static napi_value call_gather(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 12, n);
  return number(
    env,
    at->kernels->gather(
      WORDS(n[0]), FLOATS(n[1]), n[2], n[3], WORDS(n[4]), WORDS(n[5]), FLOATS(n[6]), n[7], n[8] / sizeof(float),
      WORDS(n[9]), n[10], n[11] != 0
    )
  );
}

/** gatherBagGradients(ids, factors, offsets, then as above): what it came to */
static napi_value call_gather_bags(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 14, n);
  return number(
    env,
    at->kernels->gather_bags(
      WORDS(n[0]), FLOATS(n[1]), WORDS(n[2]), FLOATS(n[3]), n[4], n[5], WORDS(n[6]), WORDS(n[7]), FLOATS(n[8]), n[9],
      n[10] / sizeof(float), WORDS(n[11]), n[12], n[13] != 0
    )
  );
}

/** normalize(x, ldx, y, ldy, gain, shift, running, statistics, rows, columns, begin, end, epsilon, momentum) */
static napi_value call_normalize(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 14, n);
  const norm all = {
    FLOATS(n[0]), n[1], FLOATS(n[2]), n[3], FLOATS(n[4]), FLOATS(n[5]), FLOATS(n[6]), FLOATS(n[7]), n[8], n[9],
    fraction_of(env, info, 12), fraction_of(env, info, 13),
  };
  at->kernels->normalize(&all, n[10], n[11]);
  return NULL;
}

/**
 * normalizeGradient(x, ldx, dy, ldy, gain, statistics, dx, dgain, dshift, rows, columns, accumulate, begin, end):
 * whether the squares of the gradients of gain and shift are finite
 */
static napi_value call_normalize_gradient(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 14, n);
  const norm_gradient all = {
    FLOATS(n[0]), n[1], FLOATS(n[2]), n[3], FLOATS(n[4]), FLOATS(n[5]), FLOATS(n[6]), FLOATS(n[7]), FLOATS(n[8]),
    n[9], n[10], n[11] != 0,
  };
  return number(env, at->kernels->normalize_gradient(&all, n[12], n[13]));
}

/**
 * A rule(address of the table, its rows at the most, stride, width, distinct, gradients, begin, end, constants):
 * whether the table has all rows
 */
static napi_value call_update(napi_env env, napi_callback_info info) {
  int64_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 9, n);
  return number(env, at->update(TABLE(n[0]), n[1], n[2], n[3], WORDS(n[4]), FLOATS(n[5]), n[6], n[7], FLOATS(n[8])));
}

static void release(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  free(data);
}

static void give(napi_env env, napi_value to, const char *name, napi_callback call, place works_on) {
  napi_value function;
  place *at = malloc(sizeof *at);
  *at = works_on;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, at, &function);
  napi_add_finalizer(env, function, at, release, NULL, NULL);
  napi_set_named_property(env, to, name, function);
}

#define HUGE_PAGE ((uintptr_t)2 << 20)
/** Smaller memories lie in the caches' reach as they are. */
#define LEAST_HUGE (16 * HUGE_PAGE)

/**
 * Asks for a large memory to lie in huge pages: rows of tables are far apart, and finding a page costs as much as
 * reading a row.
 */
static void use_huge_pages(void *memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1),
                  end = ((uintptr_t)memory + bytes) & ~(HUGE_PAGE - 1);
  // Where the system does not, the memory is as good as before.
  if (bytes >= LEAST_HUGE) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

/** attach(bytes, family): the kernels of a family on a memory, which its caller keeps alive */
static napi_value attach(napi_env env, napi_callback_info info) {
  napi_value values[2], given, updates;
  size_t count = 2, bytes = 0;
  char name[16] = "";
  void *memory = NULL;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  napi_get_typedarray_info(env, values[0], NULL, &bytes, &memory, NULL, NULL);
  napi_get_value_string_utf8(env, values[1], name, sizeof name, NULL);
  for (size_t f = 0; f < FAMILIES && memory; f++) {
    if (strcmp(name, families[f].name) != 0 || !families[f].is_here()) continue;
    use_huge_pages(memory, bytes);
    const place here = {&families[f].all, memory, NULL};
    napi_create_object(env, &given);
    give(env, given, "gemm", call_gemm, here);
    give(env, given, "gemmGradient", call_gemm_gradient, here);
    if (families[f].bf16 && families[f].has_bf16()) {
      const place rounded = {families[f].bf16, memory, NULL};
      give(env, given, "gemmBf16", call_gemm, rounded);
      give(env, given, "gemmGradientBf16", call_gemm_gradient, rounded);
    }
    give(env, given, "lookup", call_lookup, here);
    give(env, given, "lookupBags", call_lookup_bags, here);
    give(env, given, "gatherGradients", call_gather, here);
    give(env, given, "gatherBagGradients", call_gather_bags, here);
    give(env, given, "normalize", call_normalize, here);
    give(env, given, "normalizeGradient", call_normalize_gradient, here);
    napi_create_object(env, &updates);
#define GIVE_RULE(rule, name) \
  give(env, updates, name, call_update, (place){NULL, memory, families[f].all.updates[RULE_##rule]});
    RULES(GIVE_RULE)
    napi_set_named_property(env, given, "updates", updates);
    return given;
  }
  napi_throw_error(env, NULL, "expected bytes, and a family of this processor");
  return NULL;
}

/** addressOf(numbers): where they lie, in every thread of this process */
static napi_value address_of(napi_env env, napi_callback_info info) {
  napi_value value, address;
  size_t count = 1;
  void *memory = NULL;
  napi_get_cb_info(env, info, &count, &value, NULL, NULL);
  napi_get_typedarray_info(env, value, NULL, NULL, &memory, NULL, NULL);
  napi_create_double(env, (double)(uintptr_t)memory, &address);
  return address;
}

/** useHugePages(numbers): asks for them, where they are many */
static napi_value ask_for_huge_pages(napi_env env, napi_callback_info info) {
  napi_value value;
  size_t count = 1, length = 0;
  void *memory = NULL;
  napi_get_cb_info(env, info, &count, &value, NULL, NULL);
  napi_get_typedarray_info(env, value, NULL, &length, &memory, NULL, NULL);
  use_huge_pages(memory, length * sizeof(float));
  return NULL;
}

/** families(): the names of those that this processor is of, the fastest first */
static napi_value list_families(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value list, name;
  napi_create_array(env, &list);
  for (uint32_t f = 0, n = 0; f < FAMILIES; f++) {
    if (!families[f].is_here()) continue;
    napi_create_string_utf8(env, families[f].name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, list, n++, name);
  }
  return list;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "attach", NAPI_AUTO_LENGTH, attach, NULL, &function);
  napi_set_named_property(env, exports, "attach", function);
  napi_create_function(env, "addressOf", NAPI_AUTO_LENGTH, address_of, NULL, &function);
  napi_set_named_property(env, exports, "addressOf", function);
  napi_create_function(env, "useHugePages", NAPI_AUTO_LENGTH, ask_for_huge_pages, NULL, &function);
  napi_set_named_property(env, exports, "useHugePages", function);
  napi_create_function(env, "families", NAPI_AUTO_LENGTH, list_families, NULL, &function);
  napi_set_named_property(env, exports, "families", function);
  return exports;
}
