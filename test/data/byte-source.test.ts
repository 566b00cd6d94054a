import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { streamSource } from '../../src/data/readers/byte-source.js';
import type { CellFile } from '../../src/data/readers/cell-file.js';
import { openCsv } from '../../src/data/readers/csv.js';
import { DataStream } from '../../src/data/readers/data-stream.js';

const ROWS = Array.from({ length: 40_000 }, (_, i) => `${i},${i % 7}`);
const TEXT = `a,b\n${ROWS.join('\n')}\n`;

/** Returns the lines of plain rows. */
async function linesOf(csv: CellFile): Promise<string[]> {
  let text = '';
  for await (const piece of csv.pieces())
    if ('failure' in piece) throw piece.failure(2);
    else if ('bytes' in piece) text += piece.bytes.toString('utf8');
  return text.trimEnd().split('\n');
}

/** Creates a stream of small chunks. */
function streamOf(bytes: Buffer): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 5000) yield bytes.subarray(at, at + 5000);
    })(),
  );
}

describe('stream input', () => {
  it.each([
    ['as it is', Buffer.from(TEXT)],
    ['in gzip', gzipSync(TEXT)],
  ])('is read like a file: %s', async (_, bytes) => {
    const csv = await openCsv(streamSource(new DataStream('-', streamOf(bytes))), {}, [], 1 << 12);
    expect(csv).toMatchObject({ path: '-', header: ['a', 'b'] });
    expect(await linesOf(csv)).toEqual(ROWS);
  });

  it('rejects a second read', async () => {
    const csv = await openCsv(streamSource(new DataStream('-', streamOf(Buffer.from(TEXT)))));
    await linesOf(csv);
    await expect(linesOf(csv)).rejects.toThrow(
      'is a stream that was already read; save it to a file, and pass that file',
    );
    await expect(csv.fingerprint()).rejects.toThrow('is a stream that was already read');
  });

  it('reports invalid or truncated input and destroys the stream', async () => {
    const stream = streamOf(Buffer.from('\n\n'));
    await expect(openCsv(streamSource(new DataStream('-', stream)))).rejects.toThrow('-: is empty');
    expect(stream.destroyed).toBe(true);
    const csv = await openCsv(streamSource(new DataStream('-', streamOf(gzipSync(TEXT).subarray(0, 60_000)))));
    await expect(linesOf(csv)).rejects.toThrow('-:2: is truncated: the gzip data ends early');
  });

  it('reads standard input for - and exits without draining it', async () => {
    const module = pathToFileURL(join(import.meta.dirname, '../../dist/data/readers/open-rows.js')).href;
    const child = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `
      const { openRows } = await import('${module}');
      const { csv } = await openRows('-', ['b']);
      for await (const piece of csv.pieces()) {
        console.log(csv.path, csv.header.join(), piece.bytes.toString('utf8', 0, 4));
        break;
      }
    `,
    ]);
    let told = '';
    child.stdout.on('data', (text: Buffer) => (told += text.toString()));
    // The stream stays open.
    child.stdin.on('error', () => undefined).write(TEXT);
    expect(await new Promise((done) => child.on('exit', done))).toBe(0);
    expect(told).toBe('- a,b 0,0\n\n');
  });
});
