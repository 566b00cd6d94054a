import { bytes as sizeText } from '../../text/number-text.js';

/** Counters that use more memory are reported. */
const MANY_BYTES = 2 ** 30;

/**
 * Describes the memory of counters for a warning; undefined if it is not large.
 * @param place what was counted last
 */
export function describeMemory(bytes: number, place: string): string | undefined {
  if (bytes <= MANY_BYTES) return undefined;
  return (
    `data.counters use ${sizeText(bytes)} of memory after ${place}; shorten within or delay, or set a longer ` +
    'resolution'
  );
}
