// Switches threads between versions of a table as src/serve does, for the thread sanitizer: a thread writes the rows of
// deltas as table-writer.ts does, others look up all rows with a kernel, and this one passes messages as
// delta-follower.ts does. Messages are relaxed atomics, which order nothing; MessageClock in src/system does.
// Compiled with the options of a family of processors, and -DORDER for the order of the clock.
// Prints the lookups of all rows, and the wrong elements: switch f32|fp16|int8 [early]
#include "vector.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef ORDER
#define ORDER memory_order_seq_cst
#endif
#define LOOKUP(name) \
  KERNEL(name)( \
    const uint32_t *ids, const float *table, int32_t tableSize, int32_t stride, int32_t width, float *y, int32_t ldy, \
    int32_t rows \
  )
LOOKUP(lookup);
LOOKUP(lookupHalf);
LOOKUP(lookupInt8);
void join_team(int32_t self, int32_t count, barrier_words *barrier);

enum { ROWS = 64, WIDTH = 24, DELTAS = 8, READERS = 3 };
enum { PREPARE, MERGE, TO_SPARE, TO_OWN, STOP };

/** The rows of a table, and as many spare rows. */
static float table[2 * ROWS * WIDTH];
static void (*look_up)(const uint32_t *, const float *, int32_t, int32_t, int32_t, float *, int32_t, int32_t);
static void (*write_row)(float *row, int value);
static int32_t words;
/** Elements of each row by version, and the rows that a version changes; set before any thread starts. */
static int values[DELTAS + 1][ROWS];
static uint32_t changed[DELTAS + 1][ROWS];
static int num_changed[DELTAS + 1];

static void write_single(float *row, int value) {
  for (int d = 0; d < WIDTH; d++) row[d] = (float)value;
}
static void write_half(float *row, int value) {
  uint16_t bits = 0;
  if (value) {
    const int exponent = 31 - __builtin_clz((unsigned)value);
    bits = (uint16_t)((exponent + 15) << 10 | (value - (1 << exponent)) << (10 - exponent));
  }
  for (int d = 0; d < WIDTH; d++) ((uint16_t *)row)[d] = bits;
}
static void write_int8(float *row, int value) {
  row[0] = (float)value;
  for (int d = 0; d < WIDTH; d++) ((int8_t *)(row + 1))[d] = 1;
}

/** Messages to a thread and back: a number of 32 bits, a version and what to do. */
typedef struct {
  _Atomic uint64_t request, reply;
  _Atomic uint32_t clock, passes;
  uint64_t received;
  int wrong;
} channel;
static channel writer, readers[READERS];

static int step_of(uint64_t message) { return message & 0xff; }
static int version_of(uint64_t message) { return message >> 8 & 0xff; }

static void post(channel *to, _Atomic uint64_t *slot, int version, int step) {
  const uint64_t number = atomic_fetch_add_explicit(&to->clock, 1, ORDER) + 1;
  atomic_store_explicit(slot, number << 32 | (uint64_t)version << 8 | (uint64_t)step, memory_order_relaxed);
}
/** Returns another message than the last one, or that if there is none. */
static uint64_t receive(channel *from, _Atomic uint64_t *slot, uint64_t last) {
  const uint64_t message = atomic_load_explicit(slot, memory_order_relaxed);
  if (message != last)
    while (atomic_load_explicit(&from->clock, ORDER) < message >> 32) sched_yield();
  return message;
}
static void await(channel *from) {
  uint64_t message;
  while ((message = receive(from, &from->reply, from->received)) == from->received) sched_yield();
  from->received = message;
}
static void post_to_readers(int version, int step) {
  for (int r = 0; r < READERS; r++) post(readers + r, &readers[r].request, version, step);
}
static void await_readers(void) {
  for (int r = 0; r < READERS; r++) await(readers + r);
}

static void *write_rows(void *unused) {
  uint64_t message = 0;
  for (;;) {
    const uint64_t next = receive(&writer, &writer.request, message);
    if (next == message) {
      sched_yield();
      continue;
    }
    message = next;
    const int version = version_of(message);
    for (int i = 0; i < num_changed[version]; i++) {
      float *spare = table + (ROWS + i) * words;
      if (step_of(message) == PREPARE) write_row(spare, version);
      else if (step_of(message) == MERGE) memcpy(table + changed[version][i] * (size_t)words, spare, words * sizeof *spare);
    }
    post(&writer, &writer.reply, version, step_of(message));
    if (step_of(message) == STOP) return unused;
  }
}

static void *read_rows(void *given) {
  channel *own = given;
  uint64_t message = 0;
  uint32_t places[ROWS];
  float found[ROWS * WIDTH];
  join_team(0, 1, NULL);
  for (uint32_t row = 0; row < ROWS; row++) places[row] = row;
  for (;;) {
    look_up(places, table, 2 * ROWS, words, WIDTH, found, WIDTH, ROWS);
    const int *expected = values[version_of(message)];
    for (int i = 0; i < ROWS * WIDTH; i++) own->wrong += found[i] != (float)expected[i / WIDTH];
    atomic_fetch_add_explicit(&own->passes, 1, memory_order_relaxed);
    const uint64_t next = receive(own, &own->request, message);
    if (next == message) continue;
    message = next;
    const int version = version_of(message);
    for (uint32_t row = 0; row < ROWS; row++) places[row] = row;
    if (step_of(message) == TO_SPARE)
      for (int i = 0; i < num_changed[version]; i++) places[changed[version][i]] = (uint32_t)(ROWS + i);
    post(own, &own->reply, version, step_of(message));
    if (step_of(message) == STOP) return NULL;
  }
}

/** Waits until each reader has looked up all rows again. */
static void await_passes(void) {
  for (int r = 0; r < READERS; r++) {
    const uint32_t before = atomic_load_explicit(&readers[r].passes, memory_order_relaxed);
    while (atomic_load_explicit(&readers[r].passes, memory_order_relaxed) - before < 2) sched_yield();
  }
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  const int is_early = count > 2;
  switch (arguments[1][0]) {
    case 'f':
      if (arguments[1][1] == '3') look_up = NAME(lookup), write_row = write_single, words = WIDTH;
      else look_up = NAME(lookupHalf), write_row = write_half, words = WIDTH / 2;
      break;
    default: look_up = NAME(lookupInt8), write_row = write_int8, words = 1 + WIDTH / 4;
  }
  srand(3);
  for (int row = 0; row < ROWS; row++) write_row(table + row * words, 0);
  for (int v = 1; v <= DELTAS; v++)
    for (int row = 0; row < ROWS; row++) {
      const int is_changed = row % 8 == 0 || rand() % 3 == 0;
      values[v][row] = is_changed ? v : values[v - 1][row];
      if (is_changed) changed[v][num_changed[v]++] = (uint32_t)row;
    }
  pthread_t ids[READERS + 1];
  pthread_create(&ids[READERS], NULL, write_rows, NULL);
  for (int r = 0; r < READERS; r++) pthread_create(&ids[r], NULL, read_rows, &readers[r]);
  for (int v = 1; v <= DELTAS; v++) {
    post(&writer, &writer.request, v, PREPARE);
    await(&writer);
    await_passes();
    if (!is_early) {
      post_to_readers(v, TO_SPARE);
      await_readers();
    }
    await_passes();
    post(&writer, &writer.request, v, MERGE);
    await(&writer);
    await_passes();
    post_to_readers(v, TO_OWN);
    await_readers();
    await_passes();
  }
  post(&writer, &writer.request, 0, STOP);
  post_to_readers(DELTAS, STOP);
  uint32_t passes = 0;
  int wrong = 0;
  pthread_join(ids[READERS], NULL);
  for (int r = 0; r < READERS; r++) {
    pthread_join(ids[r], NULL);
    passes += readers[r].passes;
    wrong += readers[r].wrong;
  }
  printf("%u %d\n", passes, wrong);
  return 0;
}
