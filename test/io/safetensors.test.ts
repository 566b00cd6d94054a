import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../../src/io/safetensors.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

/** A file with this header and so many bytes of data. */
function fileWith(header: string, dataBytes: number, claimed = Buffer.byteLength(header)): string {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed));
  return scratchFile('x.safetensors', Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]));
}

const entry = (dtype: string, shape: number[], begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  it('round-trip every type and shape', async () => {
    const tensors = new Map<string, StoredTensor>([
      ['weights', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, NaN, Infinity) }],
      ['scalar', { shape: [], data: Float64Array.of(Math.PI) }],
      ['empty', { shape: [0, 4], data: new Float32Array(0) }],
      ['ids', { shape: [2], data: Uint32Array.of(0, 4294967295) }],
      ['signed', { shape: [1], data: Int32Array.of(-1) }],
      ['bytes of a name with "quotes": and ü\\', { shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ]);
    const path = join(scratchFolder(), 'x.safetensors');
    await writeSafetensors(path, tensors);
    expect(await readSafetensors(path)).toEqual(tensors);
  });

  it('stay in the file if they are large, until they or parts of them are read', async () => {
    const path = join(scratchFolder(), 'x.safetensors');
    const [rows, width] = [400_000, 3];
    const data = Float32Array.from({ length: rows * width }, (_, i) => i / 7);
    const inParts: StoredTensor = {
      shape: [rows, width],
      dtype: 'F32',
      get data(): Float32Array {
        throw new Error('all of it was asked for');
      },
      parts: () => [data.subarray(0, 300), data.subarray(300)],
    };
    const digest = await writeSafetensors(
      path,
      new Map<string, StoredTensor>([
        ['small', { shape: [2], data: Uint32Array.of(1, 2) }],
        ['large', inParts],
      ]),
    );
    const whole = join(scratchFolder(), 'y.safetensors');
    expect(
      await writeSafetensors(
        whole,
        new Map<string, StoredTensor>([
          ['small', { shape: [2], data: Uint32Array.of(1, 2) }],
          ['large', { shape: [rows, width], data }],
        ]),
      ),
    ).toEqual(digest);

    const reading = { mostBytes: 1000 };
    const tensors = await readSafetensors(path, digest, reading);
    const large = tensors.get('large')!;
    expect([tensors.get('small')!.parts, large.shape, large.dtype]).toEqual([undefined, [rows, width], 'F32']);
    expect(Buffer.compare(Buffer.from((large.data as Float32Array).buffer), Buffer.from(data.buffer))).toBe(0);
    let at = 0;
    for (const part of large.parts!()) {
      expect(part.length % width).toBe(0);
      expect(
        Buffer.compare(Buffer.from(part.buffer, 0, part.length * 4), Buffer.from(data.buffer, at * 4, part.length * 4)),
      ).toBe(0);
      at += part.length;
    }
    expect(at).toBe(data.length);
    // As a run that still trains removes a checkpoint that it no longer needs.
    const removed = join(scratchFolder(), 'z.safetensors');
    await writeSafetensors(removed, tensors);
    const kept = (await readSafetensors(removed, digest, reading)).get('large')!;
    rmSync(removed);
    expect(Buffer.compare(Buffer.from((kept.data as Float32Array).buffer), Buffer.from(data.buffer))).toBe(0);
    const spoiled = readFileSync(path);
    spoiled[spoiled.length - 1]! ^= 1;
    writeFileSync(path, spoiled);
    await expect(readSafetensors(path, digest, reading)).rejects.toThrow('SHA-256');
    // Cut after it was looked at.
    writeFileSync(path, spoiled.subarray(0, -1));
    expect(() => [...large.parts!()]).toThrow(expect.objectContaining({ exitCode: 4 }));
  });

  it('align the first tensor for any element type', async () => {
    const path = join(scratchFolder(), 'x.safetensors');
    for (const name of ['a', 'ab', 'abc', 'ü']) {
      await writeSafetensors(path, new Map([[name, { shape: [1], data: Float64Array.of(1) }]]));
      expect(Number(readFileSync(path).readBigUInt64LE()) % 8).toBe(0);
    }
  });

  it('from another implementation are read', async () => {
    const tensors = await readSafetensors(join(import.meta.dirname, '..', 'parity', 'cases', 'esmm.safetensors'));
    expect(tensors.get('init.tower_cvr.mlp.0.weight')!.shape).toEqual([16, 40]);
  });

  const whole = JSON.stringify({ a: entry('F32', [2], 0, 8) });
  it.each([
    ['too short for a length', () => scratchFile('x', 'abc'), /3 bytes are too few/],
    ['an absurd header length', () => fileWith(whole, 8, 2 ** 52), /header declares/],
    ['a header that is not JSON', () => fileWith('{"a": ', 8), /header is not JSON/],
    ['a header that is a list', () => fileWith('[]', 0), /not a JSON object/],
    [
      'an entry with a key too many',
      () => fileWith(JSON.stringify({ a: { ...entry('F32', [2], 0, 8), code: 'x' } }), 8),
      /a: .*header entry/,
    ],
    ['a negative shape', () => fileWith(JSON.stringify({ a: entry('F32', [-2], 0, 8) }), 8), /header entry/],
    [
      'a shape that does not match',
      () => fileWith(JSON.stringify({ a: entry('F32', [3], 0, 8) }), 8),
      /shape \[3\] requires 12 bytes, but the header declares 8/,
    ],
    [
      'a shape beyond any memory',
      () => fileWith(JSON.stringify({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 8) }), 8),
      /requires/,
    ],
    ['an unknown type', () => fileWith(JSON.stringify({ a: entry('F8', [8], 0, 8) }), 8), /element type "F8"/],
    [
      'a type called like a thing of JavaScript',
      () => fileWith(JSON.stringify({ a: entry('constructor', [8], 0, 8) }), 8),
      /element type "constructor"/,
    ],
    [
      'overlapping tensors',
      () => fileWith(JSON.stringify({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }), 12),
      /starts at 4, but the previous tensor ends at 8/,
    ],
    [
      'a hole',
      () => fileWith(JSON.stringify({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) }), 12),
      /starts at 8/,
    ],
    ['data cut short', () => fileWith(whole, 4), /beyond the end of the file/],
    ['data left over', () => fileWith(whole, 12), /4 bytes follow the last tensor/],
    [
      'a name twice',
      () =>
        fileWith(`{"a":${JSON.stringify(entry('F32', [2], 0, 8))},"a":${JSON.stringify(entry('F32', [2], 0, 8))}}`, 8),
      /its header has a duplicate name/,
    ],
    [
      'a name twice, spelled in two ways',
      () =>
        fileWith(
          `{"a":${JSON.stringify(entry('F32', [2], 0, 8))},"\\u0061":${JSON.stringify(entry('F32', [2], 0, 8))}}`,
          8,
        ),
      /its header has a duplicate name/,
    ],
    ['no file', () => join(scratchFolder(), 'none'), /cannot be opened \(ENOENT\)/],
  ])('with %s are a checkpoint error', async (_, make, message) => {
    await expect(readSafetensors(make())).rejects.toThrow(message);
    await expect(readSafetensors(make())).rejects.toMatchObject({ exitCode: 4 });
  });

  it('truncated at any byte are rejected', async () => {
    const path = join(scratchFolder(), 'x.safetensors');
    await writeSafetensors(path, new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }]]));
    const bytes = readFileSync(path);
    const cut = `${path}.cut`;
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(cut, bytes.subarray(0, length));
      await expect(readSafetensors(cut)).rejects.toMatchObject({ exitCode: 4 });
    }
    expect(existsSync(cut)).toBe(true);
  });
});
