// What mtl prepare calls for the raw lines of Ali-CCP: a module of its own, whose memory holds lines and what is read
// of them.
export { beginRow, endRow, readFeatures } from './rows';
export { addValue } from './values';
export { narrow, widen } from './columns';

/** Where memory is free: what lies below belongs to the module. */
export function heapBase(): usize {
  return __heap_base;
}
