import { column } from '../../core/batch.js';
import { isAbsolute, join } from 'node:path';
import { quoted, type UserError } from '../../core/errors.js';
import { openSafetensors, type TensorFile, type TensorPlace, type TensorRead } from '../../io/safetensors.js';
import {
  bytesPerRow,
  hasWords,
  wordColumn,
  toWords,
  type BlockColumn,
  type RowBlock,
  type WordBlockColumn,
} from '../../chunks/row-block.js';
import { BLAME_DATA, checkShard, readManifest, shardError, type Manifest } from './manifest.js';
import { bagTensors, tensorShape } from './tensors.js';

/** Rows `begin` to `end` of one shard. */
export interface ShardRows {
  readonly shard: number;
  readonly begin: number;
  readonly end: number;
}

/** A directory of shards with its manifest, or several that are joined. */
export interface ShardFolder {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Maximum number of files that are open at the same time. */
const MAX_FILES = 64;

/**
 * Opens a directory of shards.
 * @returns undefined if it has no manifest
 * @throws UserError (data) for broken shards
 */
export async function openShards(folder: string): Promise<Shards | undefined> {
  const manifest = await readManifest(folder);
  return manifest && new Shards({ folder, manifest });
}

/** Shards whose manifest was read. */
export class Shards implements ShardFolder {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly #files = new Map<string, Promise<TensorFile>>();
  /** Files whose checksum was verified. */
  readonly #verified = new Set<string>();
  /** Number of rows of each file. */
  readonly #fileRows = new Map<string, number>();

  constructor({ folder, manifest }: ShardFolder) {
    this.folder = folder;
    this.manifest = manifest;
    for (const { file, rows } of manifest.shards) this.#fileRows.set(file, (this.#fileRows.get(file) ?? 0) + rows);
  }

  /**
   * Appends the rows of some parts to a block with enough capacity; nothing else may access the block meanwhile.
   * @param skipsChecksum whether the checksums of shards are not verified
   * @throws UserError (data) for a shard that differs from the manifest
   */
  async read(
    rows: readonly ShardRows[],
    columns: readonly BlockColumn[],
    block: RowBlock,
    skipsChecksum = false,
  ): Promise<void> {
    const all = joinAdjacent(rows, this.manifest);
    for (let begin = 0; begin < all.length; begin += MAX_FILES) {
      const parts = await Promise.all(all.slice(begin, begin + MAX_FILES).map((each) => this.#openPart(each)));
      await readParts(parts, columns, block);
      const byFile = new Map(parts.map((part) => [part.shard.file, part]));
      if (!skipsChecksum) await Promise.all(Array.from(byFile.values(), (part) => this.#verify(part)));
      block.rows += parts.reduce((sum, part) => sum + part.rows, 0);
    }
  }

  async #openPart({ shard, begin, end }: FileRows): Promise<Part> {
    // A joined directory may be on another drive.
    const path = isAbsolute(shard.file) ? shard.file : join(this.folder, shard.file);
    const opened = this.#files.get(shard.file) ?? openSafetensors(path, BLAME_DATA);
    this.#files.set(shard.file, opened);
    const fileRows = this.#fileRows.get(shard.file)!;
    return { shard, path, file: await opened, fileRows, begin, rows: end - begin, offsets: new Map(), reads: [] };
  }

  /** Verifies the checksum of a file once, from the bytes that were just read if they are the whole file. */
  async #verify({ shard, path, file, reads }: Part): Promise<void> {
    if (this.#verified.has(shard.file)) return;
    await checkShard(path, shard, wholeFile(file, reads, shard.bytes));
    this.#verified.add(shard.file);
  }
}

/** Rows of a file that has one or several shards. */
interface FileRows {
  /** The first of the shards. */
  readonly shard: Manifest['shards'][number];
  /** Rows of the file. */
  readonly begin: number;
  readonly end: number;
}

/** Returns the rows of shards as rows of their files; rows that follow each other in a file are one part. */
function joinAdjacent(rows: readonly ShardRows[], { shards }: Manifest): readonly FileRows[] {
  const joined: FileRows[] = [];
  for (const { shard: number, begin, end } of rows) {
    const shard = shards[number]!;
    const { file, first = 0 } = shard;
    const last = joined.at(-1);
    if (last?.shard.file === file && last.end === first + begin)
      joined[joined.length - 1] = { ...last, end: first + end };
    else joined.push({ shard, begin: first + begin, end: first + end });
  }
  return joined;
}

/** Rows of a file that are being read into a block. */
interface Part extends Omit<FileRows, 'end'> {
  readonly path: string;
  readonly file: TensorFile;
  readonly fileRows: number;
  readonly rows: number;
  /** By bag: offsets of the items of the rows in the file, and their end. */
  readonly offsets: Map<string, Uint32Array>;
  /** All reads so far, whose memory is unchanged until the part is complete. */
  readonly reads: TensorRead[];
}

/** Reads the columns of parts into a block, after its rows. */
async function readParts(parts: readonly Part[], columns: readonly BlockColumn[], block: RowBlock): Promise<void> {
  let row = block.rows;
  for (const part of parts) {
    for (const each of columns)
      part.reads.push(hasWords(each) ? wordRead(part, each, block, row) : offsetRead(part, each.name));
    row += part.rows;
  }
  await Promise.all(parts.map(({ file, reads }) => file.read(reads)));
  const bags = columns.filter((each) => !hasWords(each));
  if (bags.length > 0) await readItems(parts, bags, block);
}

/** Returns the read of a column with a fixed number of elements per row, into a block from row `row`. */
function wordRead(part: Part, each: WordBlockColumn, block: RowBlock, row: number): TensorRead {
  const { dtype, width: columns } = tensorShape(each);
  const { position } = findTensor(part, each.name, dtype, part.fileRows, columns);
  const { data, width } = wordColumn(block, each);
  return {
    position: position + bytesPerRow(each) * part.begin,
    into: data.subarray(width * row, width * (row + part.rows)),
  };
}

/** Returns the read of the offsets of a bag column, before they are offsets of a block. */
function offsetRead(part: Part, name: string): TensorRead {
  const into = new Uint32Array(part.rows + 1);
  part.offsets.set(name, into);
  const { position } = findTensor(part, bagTensors(name).offsets, 'U32', part.fileRows + 1);
  return { position: position + 4 * part.begin, into };
}

/** Reads the items of bags, whose offsets were read. */
async function readItems(parts: readonly Part[], bags: readonly BlockColumn[], block: RowBlock): Promise<void> {
  const reads = parts.map((): TensorRead[] => []);
  for (const { name } of bags) {
    const bag = column(block, name, 'list');
    const tensors = bagTensors(name);
    let row = block.rows;
    for (const part of parts) {
      const offsets = part.offsets.get(name)!;
      const numItems = findTensor(part, tensors.ids, 'U32').shape[0]!;
      if (!appendOffsets(offsets, bag.offsets, row) || offsets.at(-1)! > numItems)
        throw tensorError(part, tensors.offsets, 'they do not increase from 0 to the number of ids');
      row += part.rows;
    }
    bag.reserve(bag.offsets[row]!);

    let begin = bag.offsets[block.rows]!;
    for (const [p, part] of parts.entries()) {
      const offsets = part.offsets.get(name)!;
      const first = offsets[0]!;
      const end = begin + offsets.at(-1)! - first;
      const ids = findTensor(part, tensors.ids, 'U32');
      const weights = findTensor(part, tensors.weights, 'F32', ids.shape[0]);
      reads[p]!.push(
        { position: ids.position + 4 * first, into: bag.ids.subarray(begin, end) },
        { position: weights.position + 4 * first, into: bag.weights.subarray(begin, end) },
      );
      begin = end;
    }
  }
  for (const [p, part] of parts.entries()) part.reads.push(...reads[p]!);
  await Promise.all(parts.map(({ file }, p) => file.read(reads[p]!)));
}

/**
 * Appends offsets of bags to the offsets of a block, from its row `row`.
 * @returns whether they are below 2^31 and never decrease
 */
function appendOffsets(from: Uint32Array, to: Uint32Array, row: number): boolean {
  // 32-bit operations and a single test of all signs are many times faster.
  const [words, into] = [toWords(from), toWords(to)];
  let before = words[0]!;
  let signs = before;
  const shift = (into[row]! - before) | 0;
  for (let i = 1; i < words.length; i++) {
    const end = words[i]!;
    signs |= end | (end - before);
    into[row + i] = end + shift;
    before = end;
  }
  return signs >= 0;
}

/** Returns the bytes of a file in order if reads contain all of them; else undefined. */
function wholeFile({ head }: TensorFile, reads: readonly TensorRead[], fileBytes: number): Uint8Array[] | undefined {
  // An empty tensor has the position of the next one.
  const sorted = [...reads].sort((a, b) => a.position - b.position || a.into.byteLength - b.into.byteLength);
  const pieces = [head];
  let end = head.byteLength;
  for (const { position, into } of sorted) {
    if (position !== end) return undefined;
    pieces.push(new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    end += into.byteLength;
  }
  return end === fileBytes ? pieces : undefined;
}

/**
 * Returns the location of a tensor.
 * @param length expected number of elements or rows; default: any
 * @param width expected number of columns; default: the tensor has one dimension
 * @throws UserError (data) for a tensor of another type or shape
 */
function findTensor(part: Part, name: string, dtype: string, length?: number, width?: number): TensorPlace {
  const place = part.file.places.get(name);
  const shape = [length ?? place?.shape[0], ...(width === undefined ? [] : [width])];
  if (
    place?.dtype !== dtype ||
    place.shape.length !== shape.length ||
    shape.some((size, i) => place.shape[i] !== size)
  ) {
    const found = place === undefined ? 'nothing' : `${quoted(place.dtype)} [${place.shape.join(', ')}]`;
    throw tensorError(part, name, `expected ${dtype} [${shape.map((size) => size ?? 'n').join(', ')}], found ${found}`);
  }
  return place;
}

function tensorError({ path }: Part, tensor: string, message: string): UserError {
  return shardError({ where: path, key: `tensor '${tensor}'`, message });
}
