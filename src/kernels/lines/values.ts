import { CAPACITY, FULL, IDS, IS_BAG, IS_WIDE, KEEPS_LAST, LENGTH, PENDING, ROWS, WEIGHTS, fieldAt } from './table';

/** The largest of 32 bits stands for no id. */
const WIDE: u64 = 0xffffffff;

/** Adds a value to the open row. @returns whether there was room */
// @ts-ignore: decorator
@inline
export function add(table: usize, field: usize, id: u64, weight: f32): bool {
  const at = fieldAt(table, field);
  const pending = table + PENDING + 4 * field;
  const count = load<u32>(pending);
  let place = load<u32>(table, ROWS);
  if (load<u32>(at, IS_BAG) != 0) {
    place = load<u32>(at, LENGTH) + count;
    if (place >= load<u32>(at, CAPACITY)) {
      store<u32>(table, <u32>field, FULL);
      return false;
    }
  } else if (count > 0 && load<u32>(at, KEEPS_LAST) == 0) {
    const heaviest = load<f32>(<usize>load<u32>(at, WEIGHTS) + 4 * <usize>place);
    if (weight < heaviest || (weight == heaviest && id > load<u64>(<usize>load<u32>(at, IDS) + 8 * <usize>place))) {
      store<u32>(pending, count + 1);
      return true;
    }
  }
  store<u64>(<usize>load<u32>(at, IDS) + 8 * <usize>place, id);
  store<f32>(<usize>load<u32>(at, WEIGHTS) + 4 * <usize>place, weight);
  store<u32>(pending, count + 1);
  return true;
}

/** The same for any id below 2^53, as what reads odd lines has it. */
export function addValue(table: usize, field: usize, id: f64, weight: f64): bool {
  if (<u64>id >= WIDE) store<u32>(fieldAt(table, field), 1, IS_WIDE);
  return add(table, field, <u64>id, <f32>weight);
}
