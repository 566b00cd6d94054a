// What the readers of CSV call: a module of its own, for it has a memory of its own.
export { cut } from './cut';
export { readClasses, readIds, readNumbers, readScaled } from './values';

/** Where memory is free: what lies below belongs to the module. */
export function heapBase(): usize {
  return __heap_base;
}
