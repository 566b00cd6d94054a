import type { Domain } from '../../graph/domain.js';
import { countWords, WORD, type Buffer } from '../compile/buffers.js';

/**
 * First address of tables in their own memory, which is the end of a WebAssembly memory. Only calls use these
 * addresses: native kernels translate them to addresses of the process, and rows are copied for other kernels.
 */
export const EXTERNAL_BASE = 2 ** 32;

/** Alignment of a buffer, in bytes: a cache line. */
const ALIGNMENT = 64;

/** An address for every buffer of a program. */
export interface MemoryPlan {
  /** End of the last buffer in the shared memory. */
  readonly bytes: number;
  /** Addresses in bytes, from APART on for tables in their own memory. */
  readonly addresses: ReadonlyMap<Buffer, number>;
}

/**
 * Assigns addresses in order of creation.
 * @param begin first address
 * @param maxRowsOf maximum rows of a domain
 * @param tableBytes maximum bytes of tables in the shared memory; the largest are stored in their own memory
 * @param inPlace buffers of tables that have memory of their own already
 */
export function planMemory(
  buffers: readonly Buffer[],
  begin: number,
  maxRowsOf: (domain: Domain) => number,
  tableBytes = Infinity,
  inPlace: ReadonlySet<Buffer> = new Set(),
): MemoryPlan {
  const bytesOf = (buffer: Buffer): number => countWords(buffer, maxRowsOf) * WORD;
  const align = (address: number): number => Math.ceil(address / ALIGNMENT) * ALIGNMENT;
  let left = tableBytes;
  const separate = buffers
    .filter((buffer) => buffer.role === 'table' && !inPlace.has(buffer))
    .sort((a, b) => bytesOf(a) - bytesOf(b))
    .filter((buffer) => (left -= bytesOf(buffer)) < 0);
  const external = new Set([...separate, ...inPlace]);
  const addresses = new Map<Buffer, number>();
  let [end, externalEnd] = [begin, EXTERNAL_BASE];
  for (const buffer of buffers) {
    if (external.has(buffer)) {
      addresses.set(buffer, align(externalEnd));
      externalEnd = align(externalEnd) + bytesOf(buffer);
    } else {
      addresses.set(buffer, align(end));
      end = align(end) + bytesOf(buffer);
    }
  }
  return { bytes: end, addresses };
}
