import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type { RecordStream, StreamCursor, StreamReading } from '../../src/data/streams/record-stream.js';

/** What a read returned. */
export interface StreamText {
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  /** Position after the last line. */
  readonly cursor: StreamCursor;
}

/**
 * Reads a stream.
 * @param count number of lines after which the read stops; default: at the end
 */
export async function readStream(
  stream: RecordStream,
  { count = Infinity, ...options }: Partial<StreamReading> & { readonly count?: number } = {},
): Promise<StreamText> {
  const lines: string[] = [];
  const warnings: string[] = [];
  let { from: cursor } = options;
  const reading: StreamReading = {
    ...{ from: undefined, endsWhenEmpty: count === Infinity, signal: new AbortController().signal },
    onWarning: (text) => warnings.push(text),
    ...options,
  };
  for await (const piece of stream.read(reading)) {
    const own = piece.bytes.toString('utf8').split('\n').slice(0, -1);
    const wanted = own.slice(0, count - lines.length);
    lines.push(...wanted);
    cursor = JSON.parse(JSON.stringify(piece.cursorAfter(wanted.length)));
    if (lines.length === count) break;
  }
  return { lines, warnings, cursor };
}

/** Prints each line of a stream after the position that follows it, with one write. */
const READER = `
import { writeSync } from 'node:fs';
const [module, kind, url, from] = process.argv.slice(1);
const stream = await (await import(module))[kind].open(url);
const reading = { endsWhenEmpty: true, signal: new AbortController().signal, onWarning() {} };
for await (const piece of stream.read({ ...reading, from: from === undefined ? undefined : JSON.parse(from) }))
  for (const [i, line] of piece.bytes.toString().split('\\n').slice(0, -1).entries())
    writeSync(1, JSON.stringify(piece.cursorAfter(i + 1)) + '\\t' + line + '\\n');
await stream.close();
`;

/** Reads a stream in processes that are killed after some lines each, and continue where the one before ended. */
export async function readWithKills(
  kind: string,
  url: string,
  count: number,
): Promise<{ readonly lines: readonly string[]; readonly numKills: number }> {
  const module = pathToFileURL(join(import.meta.dirname, `../../dist/data/streams/${kind}.js`)).href;
  const lines: string[] = [];
  let cursor: string | undefined;
  for (let numKills = 0; ; numKills++) {
    const args = ['--input-type=module', '-e', READER, module, kind, url, ...(cursor === undefined ? [] : [cursor])];
    const reader = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const killAt = lines.length + (numKills % 3 === 0 ? 1 : Math.ceil((count / 3) * Math.random()));
    const closed = once(reader, 'close');
    for await (const text of createInterface({ input: reader.stdout })) {
      const [before, line] = text.split('\t');
      if (line === undefined) continue;
      cursor = before;
      lines.push(line);
      if (lines.length === killAt) reader.kill('SIGKILL');
    }
    const [code] = (await closed) as [number | null];
    if (code !== null) return { lines, numKills };
  }
}
