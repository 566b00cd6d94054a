import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import type { Content } from './byte-hash.js';
import { writeSynced, type FileDigest } from './disk.js';
import { quoted, systemCode, userError, type ErrorKind } from '../core/errors.js';
import { lazyTensor } from './lazy-tensor.js';
import { countElements } from '../core/tensor.js';

/**
 * Tensors in a file: 8 bytes of header length, a JSON header, then the tensors without gaps, all little-endian
 * (https://github.com/huggingface/safetensors, "Format"). Data only: nothing in such a file can name code.
 */

const ARRAYS = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

/** Element types that are read and written here. */
export type ElementType = keyof typeof ARRAYS;
export type TensorData = Float32Array | Float64Array | Int32Array | Uint32Array | Int8Array | Uint8Array;

/** A tensor as it lies in a file. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** Spares asking for the data where that costs something: a view of an engine's memory is gathered each time. */
  readonly dtype?: ElementType;
  readonly data: TensorData;
  /**
   * The same numbers, some whole rows at a time; each part is valid until the next one is asked for. Without it, there
   * is one part.
   */
  readonly parts?: (() => Iterable<TensorData>) | undefined;
}

/** The longest header that the reference implementation admits. */
const MAX_HEADER_BYTES = 100_000_000;
/** One read: signals are heard between two of them. */
const CHUNK_BYTES = 1 << 22;

const count = z.int().min(0);
const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(count).max(32),
  data_offsets: z.tuple([count, count]),
});

/**
 * Writes tensors to `path` and syncs the file; the caller renames it to its place.
 * @param metadata texts by their names, which stand in the header
 * @param write how the bytes get to the disk
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Readonly<Record<string, string>>,
  write: (path: string, parts: Iterable<Uint8Array>) => Promise<FileDigest & Content> = writeSynced,
): Promise<FileDigest & Content> {
  return write(path, safetensorsParts(tensors, metadata));
}

/**
 * The bytes of a file of tensors: a head, then tensor after tensor; each part may be in memory only until the next is
 * asked for.
 */
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
  // Padded, so that the data is aligned for any element type.
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

/** Where a tensor lies in its file. */
export interface TensorPlace {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly position: number;
  readonly bytes: number;
}

/** What a broken file is an error of, and what to do about it. */
export interface Blame {
  readonly kind: ErrorKind;
  readonly fix: string;
}

const BLAME_CHECKPOINT: Blame = { kind: 'checkpoint', fix: 'take another checkpoint' };
type Fail = (message: string, key?: string) => never;

/** How tensors are read, where it is not as those of a checkpoint are. */
export interface TensorReading {
  readonly blame?: Blame;
  /** Whether threads are to share their memory. */
  readonly isShared?: boolean;
  /** Tensors beyond so many bytes stay in the file, and are read from it when they or parts of them are asked for. */
  readonly mostBytes?: number;
}

const MAX_BYTES = 2 ** 28;

/**
 * Reads all tensors of a file, each into memory of its own; a large one is hashed with the others, and read when it is
 * asked for.
 * @param expected what the file must be, where that is known: it is hashed as it is read
 * @throws UserError (checkpoint) for a file that is missing, cut short, or not what its header or `expected` says
 */
export async function readSafetensors(
  path: string,
  expected?: FileDigest,
  { blame = BLAME_CHECKPOINT, isShared = false, mostBytes = MAX_BYTES }: TensorReading = {},
): Promise<Map<string, StoredTensor>> {
  return withFile(path, blame, async (file, fail) => {
    // Header and tensors are read in the order in which they lie, each byte once.
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
      const memory = isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
      if (!(await readInto(file, position, new Uint8Array(memory), hash))) fail(SHRANK);
      const TypedArray: new (memory: ArrayBufferLike) => TensorData = ARRAYS[dtype];
      tensors.set(name, { shape, data: new TypedArray(memory) });
    }
    if (hash?.digest('hex') !== expected?.sha256) fail('its SHA-256 is not that of its manifest');
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

/** A part of a tensor and where it is wanted. */
export interface TensorRead {
  /** From the start of the file. */
  readonly position: number;
  /** Is filled. */
  readonly into: TensorData;
}

/** Tensors of a file that are read in parts. */
export interface TensorFile {
  /** The bytes before the first tensor. */
  readonly head: Uint8Array;
  /** In the order of their data. */
  readonly places: ReadonlyMap<string, TensorPlace>;
  /** Reads all parts, side by side; the memory must not be touched meanwhile. */
  read(parts: readonly TensorRead[]): Promise<void>;
}

/**
 * Reads where the tensors of a file lie; the file is open only while it is read from.
 * @throws UserError of the kind that `blame` names, like `readSafetensors`
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

const SHRANK = 'it shrank while it was read';

/** Opens a file, does something with it, and closes it; what goes wrong is told with the path. */
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
      const problem = { where: path, message: `not a whole safetensors file: ${message}`, fix };
      throw userError(kind, key === undefined ? problem : { ...problem, key });
    });
  } catch (error) {
    const code = systemCode(error);
    throw code === undefined ? error : userError(kind, { where: path, message: `cannot be read (${code})` }, error);
  } finally {
    await file.close();
  }
}

/** Where the tensors lie, in the order of their data; all of the file is accounted for. */
async function readPlaces(file: FileHandle, fail: Fail): Promise<Pick<TensorFile, 'head' | 'places'>> {
  const { size } = await file.stat();
  if (size < 8) fail(`${size} bytes are too few for a header`);
  const read = async (position: number, into: Buffer): Promise<Buffer> =>
    (await readInto(file, position, into)) ? into : fail(SHRANK);
  const length = await read(0, Buffer.alloc(8));
  const headerBytes = Number(length.readBigUInt64LE());
  if (headerBytes > Math.min(MAX_HEADER_BYTES, size - 8))
    fail(`its header claims ${headerBytes} bytes, the file has ${size}`);
  const header = await read(8, Buffer.alloc(headerBytes));
  const entries = parseHeader(header.toString('utf8'), fail);

  const places = new Map<string, TensorPlace>();
  let end = 0;
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const [begin, stop] = data_offsets;
    if (!isElementType(dtype))
      return fail(`element type ${quoted(dtype)} is not one of ${Object.keys(ARRAYS).join(', ')}`, name);
    if (begin !== end) fail(`its data starts at ${begin}, but what comes before ends at ${end}`, name);
    const bytes = countElements(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
    if (stop - begin !== bytes)
      fail(`shape [${shape.join(', ')}] needs ${bytes} bytes, the header gives ${stop - begin}`, name);
    if (8 + headerBytes + stop > size) fail(`its data ends at ${stop}, beyond the end of the file`, name);
    end = stop;
    places.set(name, { dtype, shape, position: 8 + headerBytes + begin, bytes });
  }
  if (8 + headerBytes + end !== size) fail(`${size - 8 - headerBytes - end} bytes follow the last tensor`);
  return { head: Buffer.concat([length, header]), places };
}

function isElementType(dtype: string): dtype is ElementType {
  return Object.hasOwn(ARRAYS, dtype);
}

/** The header's entries in the order of their data. */
function parseHeader(text: string, fail: Fail): [string, z.output<typeof entrySchema>][] {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    fail('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    return fail('its header is not a JSON object');
  // JSON.parse keeps the last of equal names: then there are more colons outside of texts than there are keys.
  const colons = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '').split(':').length - 1;
  const keys = Object.values(header).reduce<number>(
    (sum, value) => sum + 1 + (typeof value === 'object' && value !== null ? Object.keys(value as object).length : 0),
    0,
  );
  if (colons > keys) fail('a name stands in its header twice');
  const entries: [string, z.output<typeof entrySchema>][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const entry = entrySchema.safeParse(value);
    if (!entry.success) fail('its header entry is not { dtype, shape, data_offsets }', name);
    else entries.push([name, entry.data]);
  }
  return entries.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]);
}

function elementType(data: TensorData): ElementType {
  for (const [name, TypedArray] of Object.entries(ARRAYS)) if (data instanceof TypedArray) return name as ElementType;
  throw new Error('no element type for this array');
}

/** Hashes a tensor of a file; false where the file ends before. */
async function hashOnly(file: FileHandle, { position, bytes }: TensorPlace, hash: Hash): Promise<boolean> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    if (!(await readInto(file, position + at, chunk.subarray(0, Math.min(CHUNK_BYTES, bytes - at)), hash)))
      return false;
  }
  return true;
}

/** Fills `bytes` from `position` on; false where the file ends before. */
async function readInto(file: FileHandle, position: number, bytes: Uint8Array, hash?: Hash): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK_BYTES, bytes.length - at), position + at);
    if (bytesRead === 0) return false;
    hash?.update(bytes.subarray(at, at + bytesRead));
    at += bytesRead;
  }
  return true;
}
