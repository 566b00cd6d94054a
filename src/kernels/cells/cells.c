// Cuts plain lines of CSV into cells, 64 bytes at a time, and reads the cells of a column, one or four at a time.

#include "digits.h"
#include "heap-base.h"

/** Returns the address as the word that it is stored as. */
INLINE uint32_t word_of(const uint8_t *at) { return (uint32_t)(uintptr_t)at; }

/** Returns a bit per byte of 64: whether it is this one. */
INLINE uint64_t find(const uint8_t *at, v128_t byte) {
  uint64_t bits = 0;
  for (size_t i = 0; i < 64; i += 16)
    bits |= (uint64_t)wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(at + i), byte)) << i;
  return bits;
}

/**
 * Cuts lines into cells, as many whole lines as there are from `begin` to `end`, `most` at the most. Skips empty lines;
 * stops before a line that has not `width` cells.
 *
 * Each row of `places` gets `width` + 1 addresses: the byte before the line, and the end of each cell; a cell begins
 * after the end of the one before it. Up to 8 words after the last row are overwritten. The 63 bytes after `end` are
 * memory without line feeds and separators.
 * @param lines gets the number of the line of each row
 * @param line number of the line at `begin`
 * @param next gets the address after all that was cut, and the number of the line there
 * @returns the number of rows
 */
KERNEL_OF(uint32_t, cut)(
  const uint8_t *begin, const uint8_t *end, uint32_t separator, uint32_t width, uint32_t most, uint32_t *places,
  uint32_t *lines, uint32_t line, uint32_t *next
) {
  const v128_t separators = wasm_i8x16_splat((int8_t)separator), feeds = wasm_i8x16_const_splat('\n');
  uint32_t rows = 0, *row = places, *into = row + 1, *last = row + width;
  const uint8_t *start = begin;
  *row = word_of(start - 1);
  for (const uint8_t *at = begin; at < end; at += 64) {
    uint64_t inner = find(at, separators);
    for (uint64_t outer = find(at, feeds);; outer &= outer - 1) {
      // The separators before the next line feed, or all that are left.
      const uint64_t before = (outer - 1) & ~outer;
      uint64_t some = inner & before;
      uint32_t *const after = into + __builtin_popcountll(some);
      // One cell too many.
      if (after > last) goto stop;
      // Eight ends are stored at once: their number is unpredictable, and a branch per end is slower.
#define STORE(i) into[i] = word_of(at) + (uint32_t)__builtin_ctzg(some, 64), some &= some - 1;
      for (; into < after; into += 8) {
        STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7)
      }
      into = after;
      if (outer == 0) break;
      inner &= ~before;
      const uint8_t *const feed = at + __builtin_ctzll(outer);
      const uint8_t *const line_end = feed > start && feed[-1] == '\r' ? feed - 1 : feed;
      start = feed + 1;
      if (into == row + 1 && word_of(line_end) == *row + 1) {
        *row = word_of(feed);
        line++;
        continue;
      }
      if (into != last) {
        start = (const uint8_t *)(uintptr_t)(*row + 1);
        goto stop;
      }
      *into = word_of(line_end);
      lines[rows++] = line++;
      row += width + 1;
      into = row + 1;
      last += width + 1;
      if (rows == most) goto stop;
      *row = word_of(feed);
    }
  }
stop:
  next[0] = word_of(start);
  next[1] = line;
  return rows;
}

/** Rows that are read together, if each cell has at most so many bytes: ids below 10^8. */
enum { TOGETHER = 4, BYTES_TOGETHER = 8, END_TOGETHER = 100000000 };

/** Powers of ten by the index of the point in eight bytes; 8 if there is none. */
static const double POWER_AFTER[9] = {1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1, 1};
/** The 8 bytes from index n on end with n bytes of ones. */
static const uint8_t LAST_OF_8[16] = {[8] = 255, 255, 255, 255, 255, 255, 255, 255};

/** A cell: the byte before it, and its end, which is the byte before the row's next cell. */
typedef struct {
  const uint8_t *before, *end;
} cell_ends;
/** The cells of four rows. */
typedef struct {
  const cell_ends *a, *b, *c, *d;
} four_cells;

INLINE const cell_ends *row_after(const cell_ends *cell, uint32_t stride) {
  return (const cell_ends *)((const char *)cell + stride);
}
INLINE four_cells take_four(const cell_ends *a, uint32_t stride) {
  const cell_ends *const b = row_after(a, stride), *const c = row_after(b, stride);
  return (four_cells){a, b, c, row_after(c, stride)};
}

INLINE uint32_t length_of(const cell_ends *cell) { return (uint32_t)(cell->end - cell->before - 1); }
/** Whether each of four cells has 1 to 8 bytes. */
INLINE int are_short(four_cells cells) {
  // All are below 8 if their bits together are; 0 - 1 is a large number.
  return ((length_of(cells.a) - 1) | (length_of(cells.b) - 1) | (length_of(cells.c) - 1) | (length_of(cells.d) - 1)) <
    BYTES_TOGETHER;
}
/** Returns the digits of two cells of at most eight bytes, after zeros; the second's after the first's. */
INLINE v128_t digits_of(const cell_ends *a, const cell_ends *b) {
  const v128_t bytes = wasm_v128_load64_lane(b->end - 8, wasm_v128_load64_zero(a->end - 8), 1);
  const v128_t last = wasm_v128_load64_lane(
    LAST_OF_8 + length_of(b), wasm_v128_load64_zero(LAST_OF_8 + length_of(a)), 1
  );
  return wasm_v128_and(wasm_i8x16_sub(bytes, wasm_i8x16_const_splat('0')), last);
}

/** Reads an id; returns whether the cell has one. */
INLINE int read_id(const cell_ends *cell, double below, uint32_t *into) {
  const uint32_t length = length_of(cell);
  if (length - 1 >= MAX_ID_DIGITS) return 0;
  const v128_t digits = digits_before(cell->end, length);
  const uint64_t id = join_digits(digits);
  *into = (uint32_t)id;
  return are_digits(digits) && (double)id < below;
}

/**
 * Reads ids: at most nine digits, and below a bound.
 * @param cell the byte before the first row's cell, and the end of the cell
 * @param stride bytes to the next row
 * @param into ids, uint32 [rows]; undefined for other cells
 * @param others rows whose cells are no id
 * @returns the number of others
 */
KERNEL_OF(uint32_t, readIds)(
  const cell_ends *cell, uint32_t stride, uint32_t rows, double below, uint32_t *into, uint32_t *others
) {
  const v128_t bound = wasm_i32x4_splat((int32_t)(below < END_TOGETHER ? below : END_TOGETHER));
  uint32_t other_count = 0, r = 0;
  for (; r + TOGETHER <= rows; r += TOGETHER) {
    const four_cells four = take_four(cell, stride);
    if (are_short(four)) {
      const v128_t a = digits_of(four.a, four.b), b = digits_of(four.c, four.d);
      const v128_t ids = join_eights(join_fours(a), join_fours(b));
      if (are_digits(wasm_u8x16_max(a, b)) && wasm_i32x4_all_true(wasm_i32x4_lt(ids, bound))) {
        wasm_v128_store(into + r, ids);
        cell = row_after(four.d, stride);
        continue;
      }
    }
    for (uint32_t i = r; i < r + TOGETHER; i++, cell = row_after(cell, stride))
      if (!read_id(cell, below, into + i)) others[other_count++] = i;
  }
  for (; r < rows; r++, cell = row_after(cell, stride))
    if (!read_id(cell, below, into + r)) others[other_count++] = r;
  return other_count;
}

/** Removes the first point of each of two cells: what is before it moves to its place. */
INLINE v128_t without_dot(v128_t digits, v128_t dots) {
  // All bits up to the lowest that is set; none if none is set.
  const v128_t dot = wasm_v128_and(dots, wasm_i8x16_const_splat(-128));
  const v128_t up_to = wasm_v128_and(
    wasm_v128_xor(dot, wasm_i64x2_sub(dot, wasm_i64x2_const_splat(1))), wasm_i64x2_ne(dot, wasm_i64x2_const_splat(0))
  );
  return wasm_v128_bitselect(wasm_i64x2_shl(digits, 8), digits, up_to);
}
/** Divides the whole numbers of two cells by powers of ten, given a bit for each byte that is a point. */
INLINE v128_t divide_by_powers(v128_t wholes, uint32_t dots) {
  const v128_t powers = wasm_v128_load64_lane(
    POWER_AFTER + __builtin_ctz(dots >> 8 | 256), wasm_v128_load64_zero(POWER_AFTER + __builtin_ctz(dots | 256)), 1
  );
  return wasm_f64x2_div(wasm_f64x2_convert_low_i32x4(wholes), powers);
}

/** Reads a decimal number of at most 15 digits; NaN for any other cell. */
INLINE double read_number(const cell_ends *cell) {
  const int is_negative = cell->before[1] == '-';
  const double value = parse_decimal(cell->end, length_of(cell) - (uint32_t)is_negative);
  // NaN of either sign is NaN.
  return is_negative ? -value : value;
}

typedef struct {
  v128_t low, high;
} four_numbers;
INLINE four_numbers read_four(const cell_ends *cell, uint32_t stride) {
  const four_cells four = take_four(cell, stride);
  if (are_short(four)) {
    const v128_t a = digits_of(four.a, four.b), b = digits_of(four.c, four.d);
    const v128_t dot = wasm_i8x16_const_splat('.' - '0');
    const v128_t a_dots = wasm_i8x16_eq(a, dot), b_dots = wasm_i8x16_eq(b, dot);
    const v128_t a_digits = without_dot(a, a_dots), b_digits = without_dot(b, b_dots);
    // A point at the end may be all there is.
    const v128_t ends = wasm_v128_and(wasm_v128_or(a_dots, b_dots), wasm_u64x2_const_splat(0xff00000000000000));
    if (are_digits(wasm_v128_or(wasm_u8x16_max(a_digits, b_digits), ends))) {
      const v128_t wholes = join_eights(join_fours(a_digits), join_fours(b_digits));
      return (four_numbers){
        divide_by_powers(wholes, wasm_i8x16_bitmask(a_dots)),
        divide_by_powers(wasm_i64x2_shuffle(wholes, wholes, 1, 1), wasm_i8x16_bitmask(b_dots)),
      };
    }
  }
  return (four_numbers){
    wasm_f64x2_make(read_number(four.a), read_number(four.b)),
    wasm_f64x2_make(read_number(four.c), read_number(four.d)),
  };
}

/** Reads decimal numbers of at most 15 digits, double [rows]; NaN for other cells. The rest is as in `readIds`. */
KERNEL_OF(void, readNumbers)(const cell_ends *cell, uint32_t stride, uint32_t rows, double *into) {
  uint32_t r = 0;
  for (; r + TOGETHER <= rows; r += TOGETHER, cell = row_after(cell, TOGETHER * stride)) {
    const four_numbers four = read_four(cell, stride);
    wasm_v128_store(into + r, four.low);
    wasm_v128_store(into + r + 2, four.high);
  }
  for (; r < rows; r++, cell = row_after(cell, stride)) into[r] = read_number(cell);
}
