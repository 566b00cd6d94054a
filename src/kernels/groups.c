// Losses that compare rows of a batch within groups: columns of one float a row. A group is an integer, the same for
// its rows; a row with a negative one is a group of its own. Rows of a group are always visited in their order, so sums
// do not depend on the number of workers. If several processes have parts of a batch, columns have the rows of all of
// them, and `part` is two doubles: the number of all rows, and the first of the `rows` of this process. It is 0 if all
// rows are of this process.

#include "math.h"
#include "team.h"

/** A row's group: its first row and the next one, and (of a first row, while they are linked) the last so far. */
typedef struct {
  int32_t first, next, last;
} row_links;

/** Returns the number of rows of all processes, and the first one of this process. */
static int32_t all_of(const double *part, int32_t rows) { return part ? (int32_t)part[0] : rows; }
static int32_t first_own(const double *part) { return part ? (int32_t)part[1] : 0; }
/** Whether this worker has the line of a column. */
static int has_line(int32_t columns, int32_t slot, int32_t slots) {
  return slot_begin(columns, slot, slots) != slot_end(columns, slot, slots);
}

/** A value of a column. */
#define AT(column, ld, b) (column)[(size_t)(b) * (size_t)(ld)]
#define EACH_FIRST(first, count) \
  for (int32_t first = 0; first < (count); first++) if (links[first].first == first)
/** The rows of a group from `first` on. */
#define EACH_LINK(b, first) for (int32_t b = (first); b >= 0; b = links[b].next)
/** The rows b of this worker among those of this process. */
#define EACH_OWN(b) \
  for (int32_t own = first_own(part), b = own + (int32_t)share_begin(rows, 4), \
               end = own + (int32_t)share_end(rows, 4); \
       b < end; b++)

/**
 * Links the rows of each group in their order, -1 after the last; by one worker.
 * @param places open hash table: 2^bits words, at least twice as many as rows
 * @param columns of the phase by columns: one line
 */
KERNEL(linkGroups)(
  const float *groups, int32_t ld, row_links *links, int32_t *places, int32_t bits, int32_t rows, const double *part,
  int32_t columns, int32_t slot, int32_t slots
) {
  if (!has_line(columns, slot, slots)) return;
  const int32_t count = all_of(part, rows);
  const uint32_t mask = (1u << bits) - 1;
  memset(places, 0, sizeof *places << bits);
  for (int32_t b = 0; b < count; b++) {
    const float group = AT(groups, ld, b);
    int32_t first = b;
    if (group >= 0) {
      uint32_t hash;
      memcpy(&hash, &group, sizeof hash);
      uint32_t place = (hash * 0x9e3779b1u) >> (32 - bits);
      while (places[place] && AT(groups, ld, places[place] - 1) != group) place = (place + 1) & mask;
      if (places[place]) first = places[place] - 1;
      else places[place] = b + 1;
    }
    links[b].first = first;
    links[b].next = -1;
    if (first != b) links[links[first].last].next = b;
    links[first].last = b;
  }
}

/** y = log Σ e^x over the rows of the group; by the worker that has the column. */
KERNEL(groupLogSumExp)(
  const float *x, int32_t ldx, const row_links *links, float *y, int32_t ldy, int32_t rows, const double *part,
  int32_t columns, int32_t slot, int32_t slots
) {
  if (!has_line(columns, slot, slots)) return;
  EACH_FIRST(first, all_of(part, rows)) {
    double most = AT(x, ldx, first), sum = 0;
    EACH_LINK(b, first) most = AT(x, ldx, b) > most ? AT(x, ldx, b) : most;
    EACH_LINK(b, first) sum += exp_double(AT(x, ldx, b) - most);
    const float all = (float)(most + log_double(sum));
    EACH_LINK(b, first) AT(y, ldy, b) = all;
  }
}

/** dx (+)= e^(x - y) Σ dy over the rows of the group, of this process's rows. */
KERNEL(groupLogSumExpGradient)(
  const float *x, int32_t ldx, const row_links *links, const float *y, int32_t ldy, const float *dy, float *dx,
  int32_t accumulate, int32_t rows, const double *part, int32_t columns, int32_t slot, int32_t slots
) {
  if (!has_line(columns, slot, slots)) return;
  const int32_t begin = first_own(part), end = begin + rows;
  EACH_FIRST(first, all_of(part, rows)) {
    double sum = 0;
    EACH_LINK(b, first) sum += AT(dy, ldy, b);
    EACH_LINK(b, first) {
      if (b < begin || b >= end) continue;
      const float d = (float)(sum * exp_double((double)AT(x, ldx, b) - AT(y, ldy, b)));
      AT(dx, ldx, b) = accumulate ? AT(dx, ldx, b) + d : d;
    }
  }
}

/**
 * Of rows of label 1: y = the mean of log(1 + e^(x_j - x)) over the rows j of the group with another label; 0 of other
 * rows. counts = the number of such rows j, of this process's rows alone.
 */
KERNEL(groupPairs)(
  const float *x, int32_t ldx, const float *label, int32_t ldt, const row_links *links, float *counts, float *y,
  int32_t ldy, int32_t rows, const double *part
) {
  EACH_OWN(b) {
    double sum = 0, count = 0;
    if (AT(label, ldt, b) == 1) EACH_LINK(other, links[b].first) {
      if (AT(label, ldt, other) == 1) continue;
      sum += softplus((double)AT(x, ldx, other) - AT(x, ldx, b));
      count++;
    }
    counts[b - own] = (float)count;
    AT(y, ldy, b) = count ? (float)(sum / count) : 0;
  }
}

/**
 * dx (+)= the sum over a row's pairs: for the row of label 1, minus its share of dy; for the other, plus that share.
 * `counts` has those of all rows here.
 */
KERNEL(groupPairsGradient)(
  const float *x, int32_t ldx, const float *label, int32_t ldt, const row_links *links, const float *counts,
  const float *dy, int32_t ldy, float *dx, int32_t accumulate, int32_t rows, const double *part
) {
  EACH_OWN(b) {
    const int is_positive = AT(label, ldt, b) == 1;
    double sum = 0;
    EACH_LINK(other, links[b].first) {
      if ((AT(label, ldt, other) == 1) == is_positive) continue;
      const int32_t positive = is_positive ? b : other, negative = is_positive ? other : b;
      const double difference = (double)AT(x, ldx, negative) - AT(x, ldx, positive);
      sum += (double)AT(dy, ldy, positive) / counts[positive] * sigmoid_double(difference);
    }
    const float d = (float)(is_positive ? -sum : sum);
    AT(dx, ldx, b) = accumulate ? AT(dx, ldx, b) + d : d;
  }
}

/** y (+)= the rows of x that are this process's; shared among workers. */
KERNEL(ownRows)(const float *x, float *y, int32_t ldy, int32_t rows, const double *part, int32_t accumulate) {
  const float *own = x + first_own(part);
  const size_t end = share_end(rows, 4);
  for (size_t b = share_begin(rows, 4); b < end; b++) AT(y, ldy, b) = accumulate ? AT(y, ldy, b) + own[b] : own[b];
}
