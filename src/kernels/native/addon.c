// The kernels for Node, through Node-API. What is called has checked that all addresses lie in the memory.

#include "kernels.h"
#include <node_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/** The kernels of a family of processors, and whether this processor is of it. */
typedef struct {
  const char *name;
  int (*is_here)(void);
  gemm_kernel *gemm;
  gemm_gradient_kernel *gemm_gradient;
} family;

#if defined(__x86_64__)
static int has_avx512(void) { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"); }
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
/** The fastest first. */
static const family families[] = {{"AVX-512", has_avx512, gemm_avx512, gemm_gradient_avx512}, {"AVX2", has_avx2, gemm_avx2, gemm_gradient_avx2}};
#else
static int has_neon(void) { return 1; }
static const family families[] = {{"NEON", has_neon, gemm_neon, gemm_gradient_neon}};
#endif
#define FAMILIES (sizeof families / sizeof *families)

/** What a function of JavaScript works on. */
typedef struct {
  const family *kernels;
  char *memory;
} place;

#define MOST_ARGUMENTS 11

/** Reads so many arguments; those that are no numbers are 0. */
static const place *arguments_of(napi_env env, napi_callback_info info, size_t count, uint32_t *numbers) {
  napi_value values[MOST_ARGUMENTS];
  void *data;
  memset(numbers, 0, MOST_ARGUMENTS * sizeof *numbers);
  napi_get_cb_info(env, info, &count, values, NULL, &data);
  for (size_t i = 0; i < count; i++) napi_get_value_uint32(env, values[i], &numbers[i]);
  return data;
}

#define FLOATS(offset) ((float *)(at->memory + (offset)))

/** gemm(a, lda, panels at, bias, c, ldc, begin, end, k, panels, accumulate) */
static napi_value call_gemm(napi_env env, napi_callback_info info) {
  uint32_t n[MOST_ARGUMENTS];
  const place *at = arguments_of(env, info, 11, n);
  at->kernels->gemm(FLOATS(n[0]), n[1], FLOATS(n[2]), n[3] ? FLOATS(n[3]) : NULL, FLOATS(n[4]), n[5], n[6], n[7], n[8], n[9], n[10] != 0);
  return NULL;
}

/** gemmGradient(x, ldx, d, ldd, g, rows, begin, end, k, panels, accumulate): whether the squares of all sums are finite */
static napi_value call_gemm_gradient(napi_env env, napi_callback_info info) {
  uint32_t n[MOST_ARGUMENTS];
  napi_value result;
  const place *at = arguments_of(env, info, 11, n);
  napi_get_boolean(env, at->kernels->gemm_gradient(FLOATS(n[0]), n[1], FLOATS(n[2]), n[3], FLOATS(n[4]), n[5], n[6], n[7], n[8], n[9], n[10] != 0), &result);
  return result;
}

static void release(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  free(data);
}

static void give(napi_env env, napi_value to, const char *name, napi_callback call, const family *kernels, void *memory) {
  napi_value function;
  place *at = malloc(sizeof *at);
  *at = (place){kernels, memory};
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, at, &function);
  napi_add_finalizer(env, function, at, release, NULL, NULL);
  napi_set_named_property(env, to, name, function);
}

#define HUGE_PAGE ((uintptr_t)2 << 20)
/** Smaller memories lie in the caches' reach as they are. */
#define LEAST_HUGE (16 * HUGE_PAGE)

/** Asks for a large memory to lie in huge pages: rows of tables are far apart, and finding a page costs as much as reading a row. */
static void use_huge_pages(void *memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), end = ((uintptr_t)memory + bytes) & ~(HUGE_PAGE - 1);
  // Where the system does not, the memory is as good as before.
  if (bytes >= LEAST_HUGE) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

/** attach(bytes, family): the kernels of a family on a memory, which its caller keeps alive */
static napi_value attach(napi_env env, napi_callback_info info) {
  napi_value values[2], kernels;
  size_t count = 2, bytes = 0;
  char name[16] = "";
  void *memory = NULL;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  napi_get_typedarray_info(env, values[0], NULL, &bytes, &memory, NULL, NULL);
  napi_get_value_string_utf8(env, values[1], name, sizeof name, NULL);
  for (size_t f = 0; f < FAMILIES && memory; f++) {
    if (strcmp(name, families[f].name) != 0 || !families[f].is_here()) continue;
    use_huge_pages(memory, bytes);
    napi_create_object(env, &kernels);
    give(env, kernels, "gemm", call_gemm, &families[f], memory);
    give(env, kernels, "gemmGradient", call_gemm_gradient, &families[f], memory);
    return kernels;
  }
  napi_throw_error(env, NULL, "expected bytes, and a family of this processor");
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
  napi_create_function(env, "families", NAPI_AUTO_LENGTH, list_families, NULL, &function);
  napi_set_named_property(env, exports, "families", function);
  return exports;
}
