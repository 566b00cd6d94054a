// Runs a recorded list of calls on a recorded memory with the kernels of every family of this processor, and writes the
// memory that it leaves to RESULT.FAMILY: replay THREADS RECORD RESULT
#include "run.h"
#include "team.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
extern run_calls run_avx512bf16, run_avx512, run_avx2;
static const struct { const char *name; run_calls *run; } FAMILIES[] = {
  {"avx512bf16", run_avx512bf16}, {"avx512", run_avx512}, {"avx2", run_avx2},
};
static int is_here(const char *name) {
  const int has_512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  if (!strcmp(name, "avx512bf16")) return has_512 && __builtin_cpu_supports("avx512bf16");
  return !strcmp(name, "avx512") ? has_512 : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
extern run_calls run_neon;
static const struct { const char *name; run_calls *run; } FAMILIES[] = {{"neon", run_neon}};
static int is_here(const char *name) { return name != NULL; }
#endif
extern _Thread_local jmp_buf on_failure;
void join_team(int32_t self, int32_t count, barrier_words *barrier);

/** What a record begins with: the bytes of the memory, and offsets of the list and of the barrier. */
typedef struct {
  uint64_t bytes, begin, end, barrier;
} record_head;

typedef struct {
  char *memory;
  record_head head;
  run_calls *run;
  int self, threads, has_failed;
} worker;

static void *work(void *given) {
  worker *own = given;
  memory_begin = own->memory;
  join_team(own->self, own->threads, (barrier_words *)(own->memory + own->head.barrier));
  if (setjmp(on_failure)) {
    own->has_failed = 1;
    return NULL;
  }
  const double *end = (const double *)(own->memory + own->head.end);
  own->has_failed = own->run((const double *)(own->memory + own->head.begin), end) != end;
  return NULL;
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  const int threads = atoi(arguments[1]);
  FILE *file = fopen(arguments[2], "rb");
  record_head head;
  if (!file || fread(&head, sizeof head, 1, file) != 1) return 2;
  char *recorded = malloc(head.bytes), *memory = aligned_alloc(64, (head.bytes + 63) / 64 * 64);
  if (fread(recorded, 1, head.bytes, file) != head.bytes) return 2;
  fclose(file);
  for (size_t f = 0; f < sizeof FAMILIES / sizeof *FAMILIES; f++) {
    if (!is_here(FAMILIES[f].name)) continue;
    memcpy(memory, recorded, head.bytes);
    worker workers[64];
    pthread_t ids[64];
    for (int i = 0; i < threads; i++) workers[i] = (worker){memory, head, FAMILIES[f].run, i, threads, 0};
    for (int i = 1; i < threads; i++) pthread_create(&ids[i], NULL, work, &workers[i]);
    work(&workers[0]);
    for (int i = 1; i < threads; i++) pthread_join(ids[i], NULL);
    for (int i = 0; i < threads; i++)
      if (workers[i].has_failed) return 1;
    char path[4096];
    snprintf(path, sizeof path, "%s.%s", arguments[3], FAMILIES[f].name);
    FILE *result = fopen(path, "wb");
    if (!result || fwrite(memory, 1, head.bytes, result) != head.bytes) return 2;
    fclose(result);
    printf("%s\n", FAMILIES[f].name);
  }
  free(recorded);
  free(memory);
  return 0;
}
