// Prints the shares of all workers: shares THREADS COUNT UNIT, or shares THREADS COLUMNS SLOT SLOTS
#include "team.h"
#include <stdio.h>
#include <stdlib.h>

void join_team(int32_t self, int32_t count, barrier_words *barrier);

int main(int count, char **arguments) {
  int32_t n[4];
  for (int i = 1; i < count; i++) n[i - 1] = (int32_t)strtoll(arguments[i], NULL, 10);
  for (int32_t self = 0; self < n[0]; self++) {
    join_team(self, n[0], NULL);
    const size_t begin = count == 4 ? share_begin(n[1], n[2]) : slot_begin(n[1], n[2], n[3]);
    const size_t end = count == 4 ? share_end(n[1], n[2]) : slot_end(n[1], n[2], n[3]);
    printf("%zu %zu\n", begin, end);
  }
  return 0;
}
