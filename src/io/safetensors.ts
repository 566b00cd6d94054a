import { createHash, type Hash } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import type { Content } from './byte-hash.js';
import { writeSynced, type FileDigest } from './disk.js';
import { quoted, systemCode, userError, type ErrorKind } from '../core/errors.js';
import { lazyTensor } from './lazy-tensor.js';
import { readAt } from './read-sync.js';
import { allocateShared } from '../core/shared-memory.js';
import { countElements } from '../core/tensor.js';

/**
 * Tensor files: 8 bytes of header length, a JSON header, then contiguous tensors, all little-endian
 * (https://github.com/huggingface/safetensors, "Format"). Data only: such a file cannot refer to code.
 */

const ARRAYS = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

export type ElementType = keyof typeof ARRAYS;
export type TensorData = Float32Array | Float64Array | Int32Array | Uint32Array | Int8Array | Uint8Array;

/** A tensor in a file. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** Avoids access to `data` where that is expensive: a view of engine memory is gathered on each access. */
  readonly dtype?: ElementType;
  readonly data: TensorData;
  /** Iterates over blocks of whole rows; a block is valid until the next one. Default: a single block. */
  readonly parts?: (() => Iterable<TensorData>) | undefined;
}

/** Maximum header size of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
/** Bytes per read, small enough to react to signals. */
const CHUNK_BYTES = 1 << 22;

const count = z.int().min(0);
const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(count).max(32),
  data_offsets: z.tuple([count, count]),
});
const metadataSchema = z.record(z.string(), z.string());

/**
 * Writes tensors to `path` and syncs the file; the caller renames it.
 * @param metadata strings for the header
 * @param write writes the bytes to the disk
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Readonly<Record<string, string>>,
  write: (path: string, parts: Iterable<Uint8Array>) => Promise<FileDigest & Content> = writeSynced,
): Promise<FileDigest & Content> {
  return write(path, safetensorsParts(tensors, metadata));
}

/** Yields the bytes of a tensor file: the header, then each tensor; a block is valid until the next one. */
export function safetensorsParts(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Readonly<Record<string, string>>,
): Iterable<Uint8Array> {
  const header: Record<string, z.output<typeof entrySchema> | typeof metadata> =
    metadata === undefined ? {} : { __metadata__: metadata };
  let offset = 0;
  for (const [name, tensor] of tensors) {
    const dtype = tensor.dtype ?? elementType(tensor.data);
    const end = offset + countElements(tensor.shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
    header[name] = { dtype, shape: [...tensor.shape], data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  // Padded, so that data is aligned for any element type.
  const text = Buffer.from(json.padEnd(json.length + ((8 - (Buffer.byteLength(json) % 8)) % 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return bytesInTurn([length, text], tensors.values());
}

function* bytesInTurn(head: readonly Uint8Array[], tensors: Iterable<StoredTensor>): Generator<Uint8Array> {
  yield* head;
  for (const tensor of tensors) {
    for (const { buffer, byteOffset, byteLength } of tensor.parts?.() ?? [tensor.data])
      yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** Location of a tensor in its file. */
export interface TensorPlace {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** Byte offset in the file. */
  readonly position: number;
  readonly bytes: number;
}

/** Error kind and fix for a broken file. */
export interface Blame {
  readonly kind: ErrorKind;
  readonly fix: string;
}

const BLAME_CHECKPOINT: Blame = { kind: 'checkpoint', fix: 'use another checkpoint' };
/** Throws the error for a broken file. */
export type Fail = (message: string, key?: string) => never;

/** Read options; the defaults are those for checkpoints. */
export interface TensorReading {
  readonly blame?: Blame;
  /** Whether to read into shared memory. */
  readonly isShared?: boolean;
  /** Whether spare memory follows each tensor in shared memory (`allocateShared`). */
  readonly hasSpare?: boolean;
  /** Returns memory of at least `bytes` for a tensor; undefined for memory of its own. */
  readonly allocate?: ((name: string, bytes: number) => ArrayBufferLike | undefined) | undefined;
  /** Tensors beyond this total size are read on access instead. */
  readonly mostBytes?: number;
}

const MAX_BYTES = 2 ** 28;

/**
 * Reads all tensors of a file into separate memory; a large one is hashed with the others, but read on access.
 * @param expected verified while reading, if given
 * @throws UserError (checkpoint) for a file that is missing, truncated, or different from its header or `expected`
 */
export async function readSafetensors(
  path: string,
  expected?: FileDigest,
  { blame = BLAME_CHECKPOINT, isShared = false, hasSpare = false, allocate, mostBytes = MAX_BYTES }: TensorReading = {},
): Promise<Map<string, StoredTensor>> {
  return withFile(path, blame, async (file, fail) => {
    // Reads header and tensors in file order, each byte once.
    const hash = expected && createHash('sha256');
    const tensors = new Map<string, StoredTensor>();
    let left = mostBytes;
    const { head, places } = await readPlaces(file, fail);
    hash?.update(head);
    for (const [name, place] of places) {
      const { dtype, shape, position, bytes } = place;
      if (bytes > left && !isShared) {
        if (hash !== undefined && !(await hashOnly(file, place, hash))) fail(SHRANK);
        tensors.set(name, lazily(path, place, blame));
        continue;
      }
      left -= bytes;
      const memory = allocate?.(name, bytes) ?? (isShared ? allocateShared(bytes, hasSpare) : new ArrayBuffer(bytes));
      if (!(await readInto(file, position, new Uint8Array(memory, 0, bytes), hash))) fail(SHRANK);
      const TypedArray: new (memory: ArrayBufferLike, offset: number, length: number) => TensorData = ARRAYS[dtype];
      tensors.set(name, { shape, data: new TypedArray(memory, 0, countElements(shape)) });
    }
    if (hash?.digest('hex') !== expected?.sha256) fail('its SHA-256 differs from the manifest');
    return tensors;
  });
}

function lazily(path: string, { dtype, shape, position, bytes }: TensorPlace, { kind }: Blame): StoredTensor {
  const lazy = lazyTensor<TensorData>({ path, shape, position, bytes, Array: ARRAYS[dtype], kind });
  return {
    dtype,
    shape,
    parts: () => lazy.parts(),
    get data() {
      return lazy.data;
    },
  };
}

/** Part of a tensor to read. */
export interface TensorRead {
  /** Byte offset in the file. */
  readonly position: number;
  /** Target of the read. */
  readonly into: TensorData;
}

/** A tensor file that is read in parts. */
export interface TensorFile {
  /** The bytes before the first tensor. */
  readonly head: Uint8Array;
  /** In the order of the file. */
  readonly places: ReadonlyMap<string, TensorPlace>;
  /** Reads all parts concurrently; their memory must not be accessed meanwhile. */
  read(parts: readonly TensorRead[]): Promise<void>;
}

/**
 * Reads the tensor locations of a file, which is open only during reads.
 * @throws UserError of the kind in `blame`, like `readSafetensors`
 */
export async function openSafetensors(path: string, blame: Blame): Promise<TensorFile> {
  return {
    ...(await withFile(path, blame, readPlaces)),
    read: (parts) =>
      withFile(path, blame, async (file, fail) => {
        const readPart = async ({ position, into }: TensorRead): Promise<void> => {
          if (!(await readInto(file, position, new Uint8Array(into.buffer, into.byteOffset, into.byteLength))))
            fail(SHRANK);
        };
        await Promise.all(parts.map(readPart));
      }),
  };
}

const SHRANK = 'it was truncated while it was being read';

/** Opens a file for the duration of `use`, and converts its errors to a `UserError` with the path. */
async function withFile<Result>(
  path: string,
  { kind, fix }: Blame,
  use: (file: FileHandle, fail: Fail) => Promise<Result>,
): Promise<Result> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw userError(kind, { where: path, message: `cannot be opened (${systemCode(error) ?? String(error)})` }, error);
  }
  try {
    return await use(file, (message, key) => {
      const problem = { where: path, message: `is not a complete safetensors file: ${message}`, fix };
      throw userError(kind, key === undefined ? problem : { ...problem, key });
    });
  } catch (error) {
    const code = systemCode(error);
    throw code === undefined ? error : userError(kind, { where: path, message: `cannot be read (${code})` }, error);
  } finally {
    await file.close();
  }
}

/** Reads the tensor locations in file order, and checks that they cover the whole file. */
async function readPlaces(file: FileHandle, fail: Fail): Promise<Pick<TensorFile, 'head' | 'places'>> {
  const { size } = await file.stat();
  const read = async (position: number, into: Buffer): Promise<Buffer> =>
    (await readInto(file, position, into)) ? into : fail(SHRANK);
  const length = await read(0, Buffer.alloc(Math.min(8, size)));
  const header = await read(8, Buffer.alloc(parseHeaderBytes(length, size, fail)));
  return { head: Buffer.concat([length, header]), places: parsePlaces(header, size, fail).places };
}

/** Parses the size of a header from the first 8 bytes of a file of `size` bytes. */
function parseHeaderBytes(length: Buffer, size: number, fail: Fail): number {
  if (size < 8) fail(`${size} bytes are too few for a header`);
  const headerBytes = Number(length.readBigUInt64LE());
  if (headerBytes > Math.min(MAX_HEADER_BYTES, size - 8))
    fail(`its header declares ${headerBytes} bytes, but the file has ${size}`);
  return headerBytes;
}

/** Content of a header. */
export interface TensorHeader extends Pick<TensorFile, 'places'> {
  /** Strings that the writer added. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the header of an open file.
 * @param fail throws the error for a file that is broken
 */
export function readHeaderSync(file: number, fail: Fail): TensorHeader {
  const { size } = fstatSync(file);
  const read = (position: number, into: Buffer): Buffer =>
    readAt(file, into, position) === into.length ? into : fail(SHRANK);
  const length = read(0, Buffer.alloc(Math.min(8, size)));
  return parsePlaces(read(8, Buffer.alloc(parseHeaderBytes(length, size, fail))), size, fail);
}

function parsePlaces(header: Buffer, size: number, fail: Fail): TensorHeader {
  const { entries, metadata } = parseHeader(header.toString('utf8'), fail);
  const start = 8 + header.length;
  const places = new Map<string, TensorPlace>();
  let end = 0;
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const [begin, stop] = data_offsets;
    if (!isElementType(dtype))
      return fail(`element type ${quoted(dtype)} is not one of ${Object.keys(ARRAYS).join(', ')}`, name);
    if (begin !== end) fail(`its data starts at ${begin}, but the previous tensor ends at ${end}`, name);
    const bytes = countElements(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
    if (stop - begin !== bytes)
      fail(`shape [${shape.join(', ')}] requires ${bytes} bytes, but the header declares ${stop - begin}`, name);
    if (start + stop > size) fail(`its data ends at ${stop}, beyond the end of the file`, name);
    end = stop;
    places.set(name, { dtype, shape, position: start + begin, bytes });
  }
  if (start + end !== size) fail(`${size - start - end} bytes follow the last tensor`);
  return { places, metadata };
}

/** Creates an array of an element type in memory. */
export function tensorArray(dtype: ElementType, memory: ArrayBuffer, offset: number, length: number): TensorData {
  return new ARRAYS[dtype](memory, offset, length);
}

function isElementType(dtype: string): dtype is ElementType {
  return Object.hasOwn(ARRAYS, dtype);
}

/** Parses the header into entries in file order. */
function parseHeader(
  text: string,
  fail: Fail,
): Pick<TensorHeader, 'metadata'> & { readonly entries: readonly [string, z.output<typeof entrySchema>][] } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    fail('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    return fail('its header is not a JSON object');
  // JSON.parse keeps only the last of duplicate keys; then there are more colons outside of strings than keys.
  const colons = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '').split(':').length - 1;
  const keys = Object.values(header).reduce<number>(
    (sum, value) => sum + 1 + (typeof value === 'object' && value !== null ? Object.keys(value as object).length : 0),
    0,
  );
  if (colons > keys) fail('its header has a duplicate name');
  const entries: [string, z.output<typeof entrySchema>][] = [];
  let metadata: TensorHeader['metadata'] = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = metadataSchema.safeParse(value).data ?? {};
      continue;
    }
    const entry = entrySchema.safeParse(value);
    if (!entry.success) fail('its header entry is not { dtype, shape, data_offsets }', name);
    else entries.push([name, entry.data]);
  }
  entries.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]);
  return { entries, metadata };
}

function elementType(data: TensorData): ElementType {
  for (const [name, TypedArray] of Object.entries(ARRAYS)) if (data instanceof TypedArray) return name as ElementType;
  throw new Error('no element type for this array');
}

/** Hashes a tensor of a file; returns false if the file ends early. */
async function hashOnly(file: FileHandle, { position, bytes }: TensorPlace, hash: Hash): Promise<boolean> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let start = 0; start < bytes; start += CHUNK_BYTES) {
    if (!(await readInto(file, position + start, chunk.subarray(0, Math.min(CHUNK_BYTES, bytes - start)), hash)))
      return false;
  }
  return true;
}

/** Fills `bytes` from `position`; returns false if the file ends early. */
async function readInto(file: FileHandle, position: number, bytes: Uint8Array, hash?: Hash): Promise<boolean> {
  for (let start = 0; start < bytes.length;) {
    const { bytesRead } = await file.read(bytes, start, Math.min(CHUNK_BYTES, bytes.length - start), position + start);
    if (bytesRead === 0) return false;
    hash?.update(bytes.subarray(start, start + bytesRead));
    start += bytesRead;
  }
  return true;
}
