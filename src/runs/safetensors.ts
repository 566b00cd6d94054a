import { open, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { quoted, systemCode, userError } from '../errors.js';
import { sizeOf } from '../tensor.js';

/**
 * Tensors in a file: 8 bytes of header length, a JSON header, then the tensors without gaps, all little-endian
 * (https://github.com/huggingface/safetensors, "Format"). Data only: nothing in such a file can name code.
 */

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array, U32: Uint32Array, U8: Uint8Array } as const;

/** Element types that are read and written here. */
export type ElementType = keyof typeof ARRAYS;
export type TensorData = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** A tensor as it lies in a file. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** The longest header that the reference implementation admits. */
const MAX_HEADER_BYTES = 100_000_000;
/** One read or write; the system takes less than 2 GiB at a time. */
const CHUNK_BYTES = 1 << 29;

const count = z.int().min(0);
const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(count).max(32),
  data_offsets: z.tuple([count, count]),
});

/** Writes tensors to `path` and syncs the file; the caller renames it to its place. */
export async function writeSafetensors(path: string, tensors: ReadonlyMap<string, StoredTensor>): Promise<void> {
  const header: Record<string, z.output<typeof entrySchema>> = {};
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: elementType(data), shape: [...shape], data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = JSON.stringify(header);
  // Padded, so that the data is aligned for any element type.
  const text = Buffer.from(json.padEnd(json.length + ((8 - (Buffer.byteLength(json) % 8)) % 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = await open(path, 'w');
  try {
    await writeBytes(file, length);
    await writeBytes(file, text);
    for (const { data } of tensors.values()) await writeBytes(file, data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Reads all tensors of a file, each into memory of its own.
 * @throws UserError (checkpoint) for a file that is missing, cut short, or not what its header says
 */
export async function readSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw userError('checkpoint', { where: path, message: `cannot be opened (${systemCode(error) ?? String(error)})` }, error);
  }
  const fail = (message: string, key?: string): never => {
    const problem = { where: path, message: `not a whole safetensors file: ${message}`, fix: 'take another checkpoint' };
    throw userError('checkpoint', key === undefined ? problem : { ...problem, key });
  };
  try {
    const { size } = await file.stat();
    if (size < 8) fail(`${size} bytes are too few for a header`);
    const read = async (position: number, length: number): Promise<Buffer<ArrayBuffer>> =>
      (await readBytes(file, position, length)) ?? fail('it shrank while it was read');
    const headerBytes = Number((await read(0, 8)).readBigUInt64LE());
    if (headerBytes > Math.min(MAX_HEADER_BYTES, size - 8)) fail(`its header claims ${headerBytes} bytes, the file has ${size}`);
    const text = (await read(8, headerBytes)).toString('utf8');
    const entries = parseHeader(text, fail);

    const tensors = new Map<string, StoredTensor>();
    let end = 0;
    for (const [name, { dtype, shape, data_offsets }] of entries) {
      const [begin, stop] = data_offsets;
      if (!Object.hasOwn(ARRAYS, dtype)) fail(`element type ${quoted(dtype)} is not one of ${Object.keys(ARRAYS).join(', ')}`, name);
      const TypedArray = ARRAYS[dtype as ElementType];
      if (begin !== end) fail(`its data starts at ${begin}, but what comes before ends at ${end}`, name);
      const bytes = sizeOf(shape) * TypedArray.BYTES_PER_ELEMENT;
      if (stop - begin !== bytes) fail(`shape [${shape.join(', ')}] needs ${bytes} bytes, the header gives ${stop - begin}`, name);
      if (8 + headerBytes + stop > size) fail(`its data ends at ${stop}, beyond the end of the file`, name);
      end = stop;
      const data = (await read(8 + headerBytes + begin, bytes)).buffer;
      tensors.set(name, { shape, data: new TypedArray(data) });
    }
    if (8 + headerBytes + end !== size) fail(`${size - 8 - headerBytes - end} bytes follow the last tensor`);
    return tensors;
  } catch (error) {
    const code = systemCode(error);
    throw code === undefined ? error : userError('checkpoint', { where: path, message: `cannot be read (${code})` }, error);
  } finally {
    await file.close();
  }
}

/** The header's entries in the order of their data. */
function parseHeader(text: string, fail: (message: string, key?: string) => never): [string, z.output<typeof entrySchema>][] {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    fail('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return fail('its header is not a JSON object');
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

async function writeBytes(file: FileHandle, data: TensorData): Promise<void> {
  for (let at = 0; at < data.byteLength; ) {
    // A view of one chunk: of all bytes of a large table there may be none.
    const { bytesWritten } = await file.write(new Uint8Array(data.buffer, data.byteOffset + at, Math.min(CHUNK_BYTES, data.byteLength - at)));
    at += bytesWritten;
  }
}

/** `length` bytes at `position`, in an ArrayBuffer of exactly that length; undefined where the file ends before. */
async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer<ArrayBuffer> | undefined> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK_BYTES, length - at), position + at);
    if (bytesRead === 0) return undefined;
    at += bytesRead;
  }
  return bytes;
}
