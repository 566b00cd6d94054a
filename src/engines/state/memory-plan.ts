import type { Domain } from '../../graph/domain.js';
import { countWords, WORD, type Buffer } from '../compile/buffers.js';

/** Alignment of a buffer, in bytes: a cache line. */
export const ALIGNMENT = 64;

/** An address for every buffer of a program. */
export interface MemoryPlan {
  /** End of the last buffer. */
  readonly bytes: number;
  /** Addresses in bytes. */
  readonly addresses: ReadonlyMap<Buffer, number>;
}

/**
 * Assigns addresses in order of creation, also to empty buffers an address of their own.
 * @param begin first address
 * @param maxRowsOf maximum rows of a domain
 */
export function planMemory(
  buffers: readonly Buffer[],
  begin: number,
  maxRowsOf: (domain: Domain) => number,
): MemoryPlan {
  const align = (address: number): number => Math.ceil(address / ALIGNMENT) * ALIGNMENT;
  const addresses = new Map<Buffer, number>();
  let end = begin;
  for (const buffer of buffers) {
    addresses.set(buffer, align(end));
    end = align(end) + Math.max(1, countWords(buffer, maxRowsOf)) * WORD;
  }
  return { bytes: end, addresses };
}
