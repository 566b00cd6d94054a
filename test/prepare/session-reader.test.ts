import { rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeColumns } from '../../src/prepare/column-file.js';
import { createSessionReader } from '../../src/prepare/session-reader.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';

const random = randomStream(3, 'sessions');

/** Creates sessions with zero, some and many words, beyond the read window; one of the files is empty. */
async function someSessions(): Promise<{ files: string[]; firsts: number[]; sessions: number[][] }> {
  const folder = scratchFolder();
  const sessions: number[][] = [];
  const firsts = [0];
  const files: string[] = [];
  for (const count of [300, 1, 0, 250]) {
    const own = Array.from({ length: count }, () =>
      Array.from({ length: [0, 3, random.below(60), random.below(60), 1500][random.below(5)]! }, () => random.uint32()),
    );
    const offsets = [0];
    for (const { length } of own) offsets.push(offsets.at(-1)! + length);
    files.push(join(folder, String(files.length)));
    await writeColumns(
      files.at(-1)!,
      new Map([
        ['offsets', Uint32Array.from(offsets)],
        ['words', Uint32Array.from(own.flat())],
      ]),
      {},
    );
    sessions.push(...own);
    firsts.push(sessions.length);
  }
  return { files, firsts, sessions };
}

describe('session reader', () => {
  it('returns the words of the sessions of rows in any order', async () => {
    const { files, firsts, sessions } = await someSessions();
    const reader = createSessionReader({ files, firsts });
    for (const numRows of [0, 1, 5, 40, 2000, 7]) {
      const rows = Uint32Array.from({ length: numRows }, () => random.below(sessions.length));
      const { words, starts, places } = reader.load(rows);
      rows.forEach((session, row) => {
        const start = starts[places[row]!]!;
        expect([...words.subarray(start, start + sessions[session]!.length)]).toEqual(sessions[session]);
      });
      expect(starts.length).toBe(new Set(rows).size);
      if (numRows === 40) reader.close();
    }
    reader.close();
  });

  it('recovers after a missing file', async () => {
    const { files, firsts, sessions } = await someSessions();
    const reader = createSessionReader({ files: files.with(3, `${files[3]!}.gone`), firsts });
    expect(() => reader.load(Uint32Array.of(4, 400))).toThrow('cannot be read (ENOENT)');
    const { words, starts, places } = reader.load(Uint32Array.of(5, 4));
    for (const [row, session] of [5, 4].entries())
      expect([...words.subarray(starts[places[row]!], starts[places[row]!]! + sessions[session]!.length)]).toEqual(
        sessions[session],
      );
    reader.close();
    rmSync(files[0]!);
    expect(() => reader.load(Uint32Array.of(2))).toThrow(`${files[0]}: cannot be read (ENOENT)`);
    // Truncation removes the last session of a file.
    truncateSync(files[1]!, statSync(files[1]!).size - 16);
    const last = firsts[2]! - 1;
    expect(() => reader.load(Uint32Array.of(last))).toThrow(
      `${files[1]}: is truncated; remove this file, and run the command again`,
    );
  });
});
