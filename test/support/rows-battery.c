// Compares the row kernels of every instruction set with plain loops, on exactly sized buffers: for AddressSanitizer
// and UndefinedBehaviorSanitizer, and for processors that run in an emulator only.

#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned state = 1;
static float draw(void) { return (float)((state = state * 1664525u + 1013904223u) >> 8) / (1 << 24); }
static size_t below(size_t n) { return (size_t)((state = state * 1664525u + 1013904223u) >> 8) % n; }
static float *floats(size_t count, float lift) {
  float *all = malloc(count * sizeof *all);
  for (size_t i = 0; i < count; i++) all[i] = draw() - lift;
  return all;
}
static uint32_t *ids_below(size_t most, size_t count) {
  uint32_t *all = malloc(count * sizeof *all);
  for (size_t i = 0; i < count; i++) all[i] = (uint32_t)below(most);
  return all;
}
static void *copy(const void *from, size_t bytes) { return memcpy(malloc(bytes), from, bytes); }

static float penalized(float raw, float w, const float *c) {
  const float sign = (float)(w > 0) - (float)(w < 0);
  return fminf(fmaxf(raw * c[0], -c[3]), c[3]) + c[2] * w + c[1] * sign;
}

/** Applies an update rule of src/kernels/optimizers to a row. */
static void apply(int rule, float *w, float *s, size_t n, const float *g, const float *c) {
  const float *own = c + 4;
  float fours[4] = {0};
  double twos[2] = {0}, steps[2] = {0};
  for (size_t i = 0; i < n; i++) {
    const float gradient = penalized(g[i], w[i], c);
    float *first = s + i, *second = s + n + i;
    if (rule == RULE_adagrad) {
      *first += gradient * gradient;
      w[i] -= own[0] * gradient / (sqrtf(*first) + own[1]);
    } else if (rule == RULE_adam) {
      *first = *first + own[0] * (gradient - *first);
      *second = own[1] * *second + own[2] * (gradient * gradient);
      w[i] = w[i] * (1 - own[6]) - own[3] * *first / (sqrtf(*second) * own[4] + own[5]);
    } else if (rule == RULE_ftrl) {
      const float before = *second, root = sqrtf(before + gradient * gradient);
      *second = before + gradient * gradient;
      *first = *first + gradient - (root - sqrtf(before)) / own[0] * w[i];
      w[i] = fabsf(*first) > own[2] ? (copysignf(own[2], *first) - *first) / ((own[1] + root) / own[0] + own[3]) : 0;
    } else if (rule == RULE_rmsprop) {
      *first = own[0] * *first + own[1] * (gradient * gradient);
      *second = own[4] * *second + gradient / (sqrtf(*first) + own[2]);
      w[i] -= own[3] * *second;
    } else if (rule == RULE_sgd) {
      *first = own[1] * *first + gradient;
      w[i] -= own[0] * (own[2] * gradient + own[3] * *first);
    } else if (rule == RULE_row_wise_adagrad) fours[i % 4] += gradient * gradient;
    else if (rule == RULE_lamb) {
      *first = *first + own[0] * (gradient - *first);
      *second = own[1] * *second + own[2] * (gradient * gradient);
    }
  }
  if (rule == RULE_row_wise_adagrad) {
    *s += (fours[0] + fours[1] + fours[2] + fours[3]) / (float)n;
    for (size_t i = 0; i < n; i++) w[i] -= own[0] / (sqrtf(*s) + own[1]) * penalized(g[i], w[i], c);
  }
  if (rule == RULE_lamb) {
    float *step = malloc(n * sizeof *step);
    for (size_t i = 0; i < n; i++) step[i] = s[i] * own[3] / (sqrtf(s[n + i]) * own[4] + own[5]) + own[6] * w[i];
    // Sums in two lanes: of four elements, the low pair plus the high pair.
    for (size_t i = 0; i < n; i += 4) {
      for (size_t j = 0; j < 2; j++) {
        double square[2][2] = {{0}};
        for (size_t k = 0; k < 2; k++) {
          if (i + j + 2 * k >= n) continue;
          square[0][k] = (double)w[i + j + 2 * k] * w[i + j + 2 * k];
          square[1][k] = (double)step[i + j + 2 * k] * step[i + j + 2 * k];
        }
        twos[j] += square[0][0] + square[0][1];
        steps[j] += square[1][0] + square[1][1];
      }
    }
    const double of_weights = sqrt(twos[0] + twos[1]), of_steps = sqrt(steps[0] + steps[1]);
    const float size = (float)((double)own[7] * (of_weights > 0 && of_steps > 0 ? of_weights / of_steps : 1));
    for (size_t i = 0; i < n; i++) w[i] -= size * step[i];
    free(step);
  }
}

static int try(const char *name, kernels all) {
  const char *wrong = NULL;
  for (int run = 0; run < 300 && !wrong; run++) {
    const size_t rows = 1 + below(120), items = below(300), table_rows = 1 + below(200);
    const size_t n = 1 + below(40), ld = n + below(5), spare = below(3);
    const size_t stride = 3 * n + spare, areas = 1 + below(2);
    const size_t keys = table_rows < rows + items ? table_rows : rows + items;
    const size_t begin = below(rows + 1), end = begin + below(rows + 1 - begin);
    uint32_t *ids = ids_below(table_rows, rows), *bag = ids_below(table_rows, items);
    uint32_t *offsets = calloc(rows + 1, sizeof *offsets);
    for (size_t b = 0; b + 1 < rows; b++) offsets[b + 1] = offsets[b] + (uint32_t)below(items - offsets[b] + 1) / 8;
    offsets[rows] = (uint32_t)items;
    float *factors = floats(items, 0.5f), *table = floats(table_rows * stride, 0);
    float *y = floats((rows - 1) * ld + n, 0.5f), *d = floats((rows - 1) * ld + n, 0.5f);
    float *before = copy(y, ((rows - 1) * ld + n) * sizeof *y);

    if (!all.lookup(ids, table, table_rows, stride, n, y, ld, begin, end)) wrong = "lookup refuses";
    for (size_t b = begin; b < end; b++) memcpy(before + b * ld, table + ids[b] * stride, n * sizeof *y);
    if (memcmp(before, y, ((rows - 1) * ld + n) * sizeof *y)) wrong = "lookup";
    if (end > begin && all.lookup(ids, table, ids[begin], stride, n, y, ld, begin, end))
      wrong = "lookup of a row that is not there";

    if (!all.lookup_bags(bag, factors, offsets, table, table_rows, stride, n, y, ld, begin, end))
      wrong = "lookup of bags refuses";
    for (size_t b = begin; b < end; b++) {
      for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (size_t item = offsets[b]; item < offsets[b + 1]; item++) {
          const float x = table[bag[item] * stride + i];
          sum = i < n / 4 * 4 ? fmaf(factors[item], x, sum) : sum + factors[item] * x;
        }
        before[b * ld + i] = sum;
      }
    }
    if (memcmp(before, y, ((rows - 1) * ld + n) * sizeof *y)) wrong = "lookup of bags";

    size_t places = 2;
    while (places < 2 * keys) places *= 2;
    uint32_t *hash = malloc(places * sizeof *hash), *distinct = malloc(keys * sizeof *distinct);
    uint32_t count_at[3] = {0, 0, (uint32_t)keys};
    float *gradients = floats(areas * keys * n, 0), *sums = calloc(table_rows * n, sizeof *sums);
    int *is_known = calloc(table_rows, sizeof *is_known);
    all.gather(ids, d, ld, n, hash, distinct, gradients, areas, keys * n, count_at, rows, 1);
    all.gather_bags(bag, factors, offsets, d, ld, n, hash, distinct, gradients, areas, keys * n, count_at, rows, 0);
    for (size_t b = 0; b < rows; b++) {
      float *const sum = sums + ids[b] * n;
      for (size_t i = 0; i < n; i++) sum[i] = is_known[ids[b]] ? sum[i] + d[b * ld + i] : d[b * ld + i];
      is_known[ids[b]] = 1;
    }
    for (size_t b = 0; b < rows; b++) {
      for (size_t item = offsets[b]; item < offsets[b + 1]; item++) {
        for (size_t i = 0; i < n; i++) {
          float *sum = sums + bag[item] * n + i;
          *sum = i < n / 4 * 4 ? fmaf(factors[item], d[b * ld + i], *sum) : *sum + factors[item] * d[b * ld + i];
        }
        is_known[bag[item]] = 1;
      }
    }
    size_t known = 0;
    for (size_t row = 0; row < table_rows; row++) known += (size_t)is_known[row];
    if (known != count_at[0]) wrong = "the number of distinct rows";
    for (size_t u = 0; u < count_at[0] && !wrong; u++) {
      if (memcmp(gradients + u * n, sums + distinct[u] * n, n * sizeof *sums)) wrong = "gathering";
      for (size_t i = 0; areas > 1 && i < n; i++)
        if (gradients[(keys + u) * n + i] != 0) wrong = "clearing another area";
    }
    gradients[below(count_at[0] * n)] = 0;

    const float second = below(2) ? 0.01f : 0, fourth = below(2) ? 0.2f : INFINITY;
    float constants[RULE_CONSTANTS] = {0.5f, second, 0.02f, fourth, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f};
    for (int rule = 0; rule < NUM_RULES && !wrong; rule++) {
      const size_t bytes = table_rows * stride * sizeof *table;
      float *one = copy(table, bytes), *other = copy(table, bytes);
      const size_t first = below(count_at[0]), last = first + below(count_at[0] + 1 - first);
      if (!all.updates[rule](one, table_rows, stride, n, distinct, gradients, first, last, constants))
        wrong = "an update refuses";
      for (size_t u = first; u < last; u++) {
        float *const row = other + distinct[u] * stride;
        apply(rule, row, row + n, n, gradients + u * n, constants);
      }
      if (memcmp(one, other, bytes)) {
        printf("%s: rule %d, width %zu\n", name, rule, n);
        wrong = "an update";
      }
      const uint32_t too_few = last > first ? distinct[first] : 0;
      if (last > first && all.updates[rule](one, too_few, stride, n, distinct, gradients, first, last, constants))
        wrong = "an update of a row that is not there";
      free(one), free(other);
    }
    free(ids), free(bag), free(offsets), free(factors), free(table), free(y), free(d), free(before);
    free(hash), free(distinct), free(gradients), free(sums), free(is_known);
  }
  if (wrong) return printf("%s: other results of %s\n", name, wrong), 1;
  return printf("%s: the same rows\n", name), 0;
}

int main(void) {
#if defined(__x86_64__)
  const kernels avx512 = KERNELS_OF(avx512), avx2 = KERNELS_OF(avx2);
  const int is_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  const int is_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return (is_avx512 && try("AVX-512", avx512)) || (is_avx2 && try("AVX2", avx2));
#else
  const kernels neon = KERNELS_OF(neon);
  return try("NEON", neon);
#endif
}
