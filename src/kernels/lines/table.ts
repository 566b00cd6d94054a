// Fields and their columns, as src/prepare/feature-columns.ts lays them out: words of 32 bits.

/** Words of a table: how many rows ended, how many fields there are, and which field had no room for a value. */
export const ROWS: usize = 0;
export const NUM_FIELDS: usize = 4;
export const FULL: usize = 8;
/** By hash of a name the number of its field, in a byte; 255 is none. */
export const SLOTS: usize = 16;
export const NO_FIELD: u32 = 255;
/** By field how many values the open row has. */
export const PENDING: usize = SLOTS + 256;
export const MAX_FIELDS: usize = 32;
const FIELDS: usize = PENDING + 4 * MAX_FIELDS;
const FIELD_BYTES: usize = 64;

/** Words of a field. Its name, the first byte in the lowest bits. */
export const NAME: usize = 0;
export const IS_BAG: usize = 8;
/** Of several values of a single field the last stays, not the heaviest. */
export const KEEPS_LAST: usize = 12;
/** Values of a row that stay. */
export const CAP: usize = 16;
/** Where ids (u64), weights (f32) and, of a bag, offsets (u32, by row) lie; a single field has one of each a row. */
export const IDS: usize = 20;
export const WEIGHTS: usize = 24;
export const OFFSETS: usize = 28;
/** Values that there is room for, and of a bag those of the rows that ended. */
export const CAPACITY: usize = 32;
export const LENGTH: usize = 36;
/** Whether any row has one, how many rows were cut to the cap, and by how many values. */
export const OCCURS: usize = 40;
export const CUT_ROWS: usize = 44;
export const CUT_VALUES: usize = 48;
/** Whether any id needs more than 32 bits. */
export const IS_WIDE: usize = 52;

// @ts-ignore: decorator
@inline
export function fieldAt(table: usize, field: usize): usize {
  return table + FIELDS + FIELD_BYTES * field;
}
