/** @module-tag long */
import { constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { replace, writeDirect, writeSynced } from '../../src/io/disk.js';
import { UserError } from '../../src/core/errors.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';

const disk = await vi.hoisted(async () => (await import('../support/failing-disk.js')).createFailingDisk());
vi.mock('node:fs/promises', async (original) => disk.over(await original()));
vi.mock('node:fs', async (original) => disk.overSync(await original()));
afterEach(() => disk.reset());

/** One write and some more, cut anywhere: parts of no byte, of odd ones, of whole blocks, and of more than a write. */
function someParts(seed: number, total: number): Uint8Array[] {
  const random = randomStream(seed, 'parts');
  const bytes = new Uint8Array(total);
  for (let i = 0; i < total; i += 97) bytes[i] = 256 * random.uniform();
  const parts: Uint8Array[] = [];
  for (let at = 0; at < total;) {
    const length = Math.floor(
      [0, 4096, 10_000 * random.uniform(), 1_500_000, 40_000_000 * random.uniform()][Math.floor(5 * random.uniform())]!,
    );
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return parts;
}

describe('a file that is written past the page cache', () => {
  it.each([0, 1, 4095, 4096, 4097, 3_000_000, 2 ** 25, 2 ** 25 + 4096 + 5, 70_000_001])(
    'has %d bytes as any other has, and their digests',
    async (total) => {
      const folder = scratchFolder();
      const parts = someParts(total, total);
      const usual = await writeSynced(join(folder, 'usual'), parts);
      expect(await writeDirect(join(folder, 'direct'), parts)).toEqual(usual);
      expect(readFileSync(join(folder, 'direct')).equals(readFileSync(join(folder, 'usual')))).toBe(true);
    },
  );

  it('overwrites an existing file of any length', async () => {
    const path = join(scratchFolder(), 'file');
    await writeDirect(path, [new Uint8Array(100_000).fill(1)]);
    await writeDirect(path, [new Uint8Array(50_001).fill(2)]);
    expect(readFileSync(path).equals(Buffer.alloc(50_001, 2))).toBe(true);
  });

  it.skipIf(!('O_DIRECT' in constants))(
    'is written as any other where no such writes are known',
    { tags: ['long'] },
    async () => {
      const folder = scratchFolder();
      const parts = someParts(5, 33_600_000);
      // The first that opens the file, and the first that writes to it.
      for (const [kind, refused] of [
        ['open', 1],
        ['write', 3],
      ] as const) {
        const path = join(folder, kind);
        disk.reset();
        disk.fate = (_, number) => (number === refused ? { code: 'EINVAL' } : 'done');
        const digest = await writeDirect(path, parts);
        expect(disk.operations[refused - 1]).toEqual({ kind, path });
        disk.reset();
        expect(digest).toEqual(await writeSynced(join(folder, 'usual'), parts));
        expect(readFileSync(path).equals(readFileSync(join(folder, 'usual')))).toBe(true);
      }
    },
  );

  it('is complete or absent after any disk error, which is reported', { tags: ['long'] }, async () => {
    const parts = someParts(7, 33_600_000);
    const make = (path: string) => replace(path, (temporary) => writeDirect(temporary, parts));
    await make(join(scratchFolder(), 'file'));
    const numOperations = disk.operations.length;
    expect(numOperations).toBeGreaterThan(5);
    for (let n = 1; n <= numOperations; n++) {
      const folder = scratchFolder();
      const path = join(folder, 'file');
      disk.reset();
      disk.fate = (_, number) => (number === n ? { code: 'ENOSPC' } : 'done');
      await expect(make(path)).rejects.toThrow(UserError);
      // A folder that cannot be opened or synced has the whole file.
      expect(readdirSync(folder)).toEqual(n < numOperations - 1 ? [] : ['file']);
      disk.reset();
      disk.fate = (_, number) => (number === n ? 'dies within' : 'done');
      await expect(make(path)).rejects.toThrow();
      disk.losePower();
      if (readdirSync(folder).includes('file')) expect(readFileSync(path).length).toBe(33_600_000);
    }
  });
});
