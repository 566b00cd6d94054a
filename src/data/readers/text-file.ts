import { CARRY_ROOM, type ByteChunk, type ByteChunks } from './byte-chunks.js';
import type { ByteSource } from './byte-source.js';
import type { CellFile, Piece } from './cell-file.js';
import { findChangedBlock, PrefixHash } from './prefix-hash.js';
import { changedBefore, type Position } from './read-cursor.js';
import { CHECKED_BYTES, TextPlace } from './text-place.js';
import { readable, readFailure } from './unreadable.js';

const [LF, CR] = [10, 13];

/**
 * Reads the beginning of a text.
 * @throws UserError (data) if the text cannot be read, and any error of `read`, both after closing it
 */
export async function readBeginning<Result>(
  source: Pick<ByteSource, 'path' | 'look' | 'close'>,
  chunkBytes: number,
  read: (chunks: ByteChunks) => Promise<Result>,
): Promise<Result> {
  try {
    return await readable(source.path, () => read(source.look(chunkBytes)));
  } catch (error) {
    source.close();
    throw error;
  }
}

/**
 * Returns a text as a file of rows. An error of reading is a piece after the rows before it.
 * @param headerBytes bytes before the first row
 * @param chunkBytes number of bytes that are read at a time
 * @param readPieces reads rows; `isGrowing` if a last line without a line end is not a row yet
 */
export function textFile(
  source: ByteSource,
  parts: Pick<CellFile, 'kind' | 'header' | 'dialect' | 'headerLines'>,
  headerBytes: number,
  chunkBytes: number,
  readPieces: (chunks: PlacedChunks, isGrowing: boolean) => AsyncGenerator<Piece>,
): CellFile {
  const { path, stream, stats, fingerprint } = source;
  return {
    ...parts,
    path,
    ...(stream && { stream }),
    stats,
    fingerprint,
    async *pieces({ numKept = 0, from, place, isGrowing = false, hashesPrefix = false } = {}) {
      const known = place instanceof TextPlace ? place : undefined;
      const isHashed = hashesPrefix && known === undefined;
      // The position can be checked if the bytes before it are read.
      const begin = isHashed ? 0 : Math.max(0, (from?.offset ?? 0) - CHECKED_BYTES);
      try {
        const chunks = source.read({ chunkBytes, room: CARRY_ROOM, numKept }, begin);
        const first = new TextPlace(begin, undefined, isHashed ? new PrefixHash() : undefined);
        yield* readPieces(placedChunks(path, chunks, first, { headerBytes, from, known }), isGrowing);
      } catch (error) {
        yield { ...readFailure(path, error), progress: 1 };
      }
    },
  };
}

/** Bytes of a text, with the place of the first chunk. */
export type PlacedChunks = AsyncGenerator<ByteChunk & { readonly start: TextPlace }>;

/** Where the rows of a text begin. */
interface Beginning {
  /** Offset of the first row. */
  readonly headerBytes: number;
  /** Position to begin at in place of the first row. */
  readonly from: Position | undefined;
  /** Place of the position, if it is known. */
  readonly known: TextPlace | undefined;
}

/**
 * Yields the bytes of a text from its first row, or from a position on.
 * @param chunks bytes from a place on
 * @throws UserError (data) if the bytes before the position are not those that were read
 */
async function* placedChunks(
  path: string,
  chunks: ByteChunks,
  first: TextPlace,
  { headerBytes, from, known }: Beginning,
): PlacedChunks {
  const offset = from?.offset ?? headerBytes;
  let place = first;
  let isBegun = false;
  for await (const { bytes: all, progress } of chunks) {
    const numSkipped = isBegun ? 0 : Math.max(0, Math.min(all.length, offset - place.offset));
    place = numSkipped === 0 ? place : place.after(all.subarray(0, numSkipped));
    const bytes = all.subarray(numSkipped);
    if (bytes.length === 0) continue;
    if (!isBegun && from !== undefined) checkPlace(path, place, from, bytes[0]);
    isBegun = true;
    yield { bytes, progress, start: known ?? place };
  }
  if (!isBegun && from !== undefined) checkPlace(path, place, from);
}

/** @param next byte after the place, if there is one */
function checkPlace(path: string, place: TextPlace, { offset, check, prefix }: Position, next?: number): void {
  if (place.offset < offset) throw changedBefore(path, `it ends at byte ${place.offset}, before byte ${offset}`);
  const block = prefix && place.prefix && findChangedBlock(prefix, place.prefix, offset);
  if (block !== undefined) throw changedBefore(path, `bytes ${block[0]} to ${block[1]} differ`);
  if (place.check !== check) throw changedBefore(path, `the bytes before byte ${offset} differ`);
  if (!place.isLineEnd && next !== undefined && next !== LF && next !== CR)
    throw changedBefore(path, `the line that ended at byte ${offset} was continued`);
}
