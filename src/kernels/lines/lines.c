// Reads raw lines of Ali-CCP for mtl prepare: a line's list of features, 16 bytes at a time, into columns.

#include <stddef.h>
#include <string.h>
#include "digits.h"
#include "heap-base.h"

// Fields and their columns, as src/prepare/feature-columns.ts lays them out.
enum { MAX_FIELDS = 32, SLOTS = 256, NO_FIELD = 255 };

typedef struct {
  /** Bytes of the name, the first in the lowest bits. */
  uint64_t name;
  uint32_t is_bag;
  /** Of several values of a single field the last stays, not the heaviest. */
  uint32_t keeps_last;
  /** Maximum number of values of a row. */
  uint32_t cap;
  /** A single field has one id and weight per row; a bag has offsets, by row. */
  uint64_t *ids;
  float *weights;
  uint32_t *offsets;
  /** Values that there is memory for; and the length of a bag's ids, without the open row. */
  uint32_t capacity, length;
  /** Whether any row has a value; rows that exceed the cap, and by how many values. */
  uint32_t occurs, cut_rows, cut_values;
  /** Whether any id exceeds 32 bits. */
  uint32_t is_wide;
  uint32_t unused[2];
} field_columns;

typedef struct {
  /** Rows that have ended. */
  uint32_t rows;
  uint32_t num_fields;
  /** The field that had no memory for a value. */
  uint32_t full;
  uint32_t unused;
  /** Indices of fields by the hash of their names. */
  uint8_t slots[SLOTS];
  /** Number of values of the open row by field. */
  uint32_t pending[MAX_FIELDS];
  field_columns fields[MAX_FIELDS];
} field_table;
_Static_assert(sizeof(field_columns) == 64 && offsetof(field_table, fields) == 400, "layout of feature-columns.ts");

/** Bytes that end a feature, a field's name and an id. */
enum { FEATURE_END = 1, NAME_END = 2, ID_END = 3 };
/** Maximum number of kept values that are sorted by insertion; more are sorted as a heap. */
enum { MAX_INSERTED = 16 };
static const uint64_t ONES = 0x0101010101010101;
/** Spreads the bits of names over eight (the golden ratio; Knuth, The Art of Computer Programming 3, 6.4). */
static const uint64_t SPREAD = 0x9e3779b97f4a7c15;
/** Ids from here on exceed 32 bits: the largest of 32 bits stands for no id. */
static const uint64_t WIDE = 0xffffffff;

/** Values instead of the address of the next line: a line that is not plain, and no memory for a value. */
#define ODD ((const uint8_t *)0)
#define NO_ROOM ((const uint8_t *)1)

/** Values of a field, and one of them. */
typedef struct {
  uint64_t *ids;
  float *weights;
} value_list;
typedef struct {
  uint64_t id;
  float weight;
} value;
INLINE value get(value_list list, uint32_t i) { return (value){list.ids[i], list.weights[i]}; }
INLINE void put(value_list list, uint32_t i, value x) {
  list.ids[i] = x.id;
  list.weights[i] = x.weight;
}
/** Whether a value comes after another, from heavy to light; of equal weights the smaller id is first. */
INLINE int is_lighter(value a, value b) { return a.weight < b.weight || (a.weight == b.weight && a.id > b.id); }

/** Adds a value to the open row; returns whether there was memory for it. */
INLINE int32_t add(field_table *table, uint32_t f, value x) {
  field_columns *const field = &table->fields[f];
  const value_list list = {field->ids, field->weights};
  const uint32_t count = table->pending[f], at = field->is_bag ? field->length + count : table->rows;
  if (field->is_bag && at >= field->capacity) {
    table->full = f;
    return 0;
  }
  table->pending[f] = count + 1;
  if (field->is_bag || count == 0 || field->keeps_last || !is_lighter(x, get(list, at))) put(list, at, x);
  return 1;
}

/** Begins a row; discards the values of an unfinished one. */
KERNEL_OF(void, beginRow)(field_table *table) { memset(table->pending, 0, sizeof table->pending); }

/** Adds a value with any id below 2^53; returns whether there was memory for it. */
KERNEL_OF(int32_t, addValue)(field_table *table, uint32_t field, double id, double weight) {
  if ((uint64_t)id >= WIDE) table->fields[field].is_wide = 1;
  return add(table, field, (value){(uint64_t)id, (float)weight});
}

INLINE uint64_t load_word(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}
/** Returns the index of the first of 16 bytes that is marked; 32 if none is. */
INLINE uint32_t first_marked(v128_t marks) { return (uint32_t)__builtin_ctzg(wasm_i8x16_bitmask(marks), 32); }

/** Returns the number of bytes before the end of a name, at most eight. */
INLINE uint32_t name_length(uint64_t bytes) {
  const uint64_t others = bytes ^ NAME_END * ONES;
  // The lowest byte that is 0 has the lowest of these bits (Mycroft 1987).
  return (uint32_t)__builtin_ctzg((others - ONES) & ~others & ONES << 7, 64) >> 3;
}
/** Returns the field whose name is the first `length` of eight bytes, or NO_FIELD. */
INLINE uint32_t find_field(const field_table *table, uint64_t bytes, uint32_t length) {
  if (length - 1 >= 7) return NO_FIELD;
  const uint64_t name = bytes & ((UINT64_C(1) << 8 * length) - 1);
  uint32_t slot = (uint32_t)(name * SPREAD >> 56), field;
  while ((field = table->slots[slot]) != NO_FIELD && table->fields[field].name != name) slot = (slot + 1) % SLOTS;
  return field;
}

/**
 * Begins a row, and reads the number of its features and their list, to the end of the line. There are 32 bytes of
 * memory before and after the lines.
 * @returns the next line; ODD for a line that is not plain, and NO_ROOM if a field (`full`) has no memory for a value
 */
KERNEL_OF(const uint8_t *, readFeatures)(field_table *table, const uint8_t *begin) {
  beginRow(table);
  const uint8_t *at = begin;
  uint32_t expected = 0;
  for (uint32_t digit; (digit = *at - (uint32_t)'0') < 10; at++) expected = expected * 10 + digit;
  if (at == begin || at - begin > MAX_ID_DIGITS || *at++ != ',') return ODD;
  if (expected == 0) return *at == '\n' ? at + 1 : ODD;
  for (uint32_t count = 1;; count++) {
    const uint64_t bytes = load_word(at);
    const uint32_t name_bytes = name_length(bytes), field = find_field(table, bytes, name_bytes);
    if (field == NO_FIELD) return ODD;
    at += name_bytes + 1;

    const uint32_t id_bytes = first_marked(wasm_i8x16_eq(wasm_v128_load(at), wasm_i8x16_const_splat(ID_END)));
    if (id_bytes - 1 >= MAX_ID_DIGITS) return ODD;
    at += id_bytes;
    const v128_t digits = digits_before(at, id_bytes);
    if (!are_digits(digits)) return ODD;
    at++;

    const uint32_t weight_bytes = first_marked(wasm_u8x16_lt(wasm_v128_load(at), wasm_i8x16_const_splat('.')));
    at += weight_bytes;
    const double weight = parse_decimal(at, weight_bytes);
    if (weight != weight) return ODD;
    if (!add(table, field, (value){join_digits(digits), (float)weight})) return NO_ROOM;
    const uint8_t end = *at++;
    if (end == FEATURE_END) continue;
    if (count != expected) return ODD;
    if (end == '\n') return at;
    return end == '\r' && *at == '\n' ? at + 1 : ODD;
  }
}

INLINE void swap(value_list list, uint32_t i, uint32_t j) {
  const value x = get(list, i);
  put(list, i, get(list, j));
  put(list, j, x);
}
/** Inserts value i into the values before it, of which at most `size` are sorted; the lightest of these is dropped. */
INLINE void insert(value_list list, uint32_t i, uint32_t size) {
  const value x = get(list, i);
  if (i >= size) {
    i = size - 1;
    if (!is_lighter(get(list, i), x)) return;
  }
  for (; i > 0 && is_lighter(get(list, i - 1), x); i--) put(list, i, get(list, i - 1));
  put(list, i, x);
}
/** Restores a heap with the lightest value on top, from value i on. */
INLINE void sink(value_list list, uint32_t i, uint32_t size) {
  for (uint32_t lightest; (lightest = 2 * i + 1) < size; i = lightest) {
    lightest += lightest + 1 < size && is_lighter(get(list, lightest + 1), get(list, lightest));
    if (!is_lighter(get(list, lightest), get(list, i))) return;
    swap(list, lightest, i);
  }
}

/** Moves the heaviest `keep` of the first `count` values to the front, from heavy to light; returns how many. */
INLINE uint32_t keep_heaviest(value_list list, uint32_t count, uint32_t keep) {
  const uint32_t size = count < keep ? count : keep;
  if (size <= MAX_INSERTED) {
    for (uint32_t i = 1; i < count; i++) insert(list, i, size);
    return size;
  }
  for (uint32_t i = size >> 1; i > 0; i--) sink(list, i - 1, size);
  for (uint32_t i = size; i < count; i++) {
    if (!is_lighter(get(list, 0), get(list, i))) continue;
    swap(list, 0, i);
    sink(list, 0, size);
  }
  for (uint32_t end = size - 1; end > 0; end--) {
    swap(list, 0, end);
    sink(list, 0, end);
  }
  return size;
}

/** Ends the open row: the heaviest values of a bag stay, and a single field without a value gets none. */
KERNEL_OF(void, endRow)(field_table *table) {
  const uint32_t row = table->rows++;
  for (uint32_t f = 0; f < table->num_fields; f++) {
    field_columns *const field = &table->fields[f];
    const uint32_t count = table->pending[f];
    if (field->is_bag) {
      const value_list list = {field->ids + field->length, field->weights + field->length};
      if (count > 0) field->length += keep_heaviest(list, count, field->cap);
      field->offsets[row + 1] = field->length;
    } else if (count == 0) {
      field->ids[row] = (uint64_t)-1;
      field->weights[row] = 0;
    }
    if (count == 0) continue;
    field->occurs = 1;
    if (count <= field->cap) continue;
    field->cut_rows++;
    field->cut_values += count - field->cap;
  }
}

/** Other types of the memory of ids. */
typedef uint32_t __attribute__((may_alias)) short_id;
typedef double __attribute__((may_alias)) double_id;

/** Converts ids to 32 bits, in place; -1, which is no id, becomes the largest. */
KERNEL_OF(void, narrow)(uint64_t *ids, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) ((short_id *)ids)[i] = (uint32_t)ids[i];
}
/** Converts ids to doubles, in place. */
KERNEL_OF(void, widen)(int64_t *ids, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) ((double_id *)ids)[i] = (double)ids[i];
}
