import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { makeFolder, onDisk, replace } from '../io/disk.js';
import { quoted, userError } from '../core/errors.js';
import { fileSink, streamSink, type ByteSink } from './byte-sink.js';
import type { RowWriter, ScoredColumns, WriteBytes } from './scored-rows.js';
import { textWriter } from './text-writer.js';

/** Writes rows atomically: if `work` fails, an existing file stays unchanged. `work` ends the writer. */
export type Output = (columns: ScoredColumns, work: (writer: RowWriter) => Promise<void>) => Promise<void>;

type CreateWriter = (columns: ScoredColumns, writeBytes: WriteBytes, threads: number) => RowWriter | Promise<RowWriter>;

const csvWriter: CreateWriter = (columns, writeBytes, threads) => textWriter(columns, 'csv', writeBytes, threads);

/** Formats by file extension. */
const FORMATS: Readonly<Record<string, CreateWriter>> = {
  '.csv': csvWriter,
  '.jsonl': (columns, writeBytes, threads) => textWriter(columns, 'jsonl', writeBytes, threads),
  // Loaded on demand.
  '.parquet': async (columns, writeBytes) => (await import('./parquet-writer.js')).parquetWriter(columns, writeBytes),
};

/**
 * Selects the output format before any row exists.
 * @param target a file with a known extension, or a stream for CSV
 * @param threads maximum number of threads; default: one per core
 * @throws UserError (usage) for an unknown extension; (disk) for a directory
 */
export function openOutput(target: string | Writable, threads = availableParallelism()): Output {
  if (typeof target !== 'string')
    return (columns, work) => writeTo(streamSink(target), csvWriter, threads, columns, work);
  const { createWriter, isGzip } = selectFormat(target);
  const path = resolve(target);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw userError('disk', {
      where: target,
      message: 'is a directory; expected a file',
      fix: 'use a file in it',
    });
  }
  return async (columns, work) => {
    await onDisk(path, () => makeFolder(dirname(path)));
    await replace(path, async (temporary) =>
      writeTo(await fileSink(temporary, isGzip), createWriter, threads, columns, work),
    );
  };
}

function selectFormat(path: string): { readonly createWriter: CreateWriter; readonly isGzip: boolean } {
  const [, ending = '', gzip] = /(\.\w+?)(\.gz)?$/i.exec(path) ?? [];
  const createWriter = Object.entries(FORMATS).find(([name]) => name === ending.toLowerCase())?.[1];
  // Parquet compresses its own columns.
  if (createWriter === undefined || (gzip !== undefined && ending.toLowerCase() === '.parquet')) {
    throw userError('usage', {
      where: '--out',
      message:
        'expected a file name that ends in .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet, or - for CSV on ' +
        `standard output, found ${quoted(path)}`,
      fix: `use ${path === '' ? 'predictions' : path.replace(/\.\w*$/, '')}.csv`,
    });
  }
  return { createWriter, isGzip: gzip !== undefined };
}

async function writeTo(
  sink: ByteSink,
  createWriter: CreateWriter,
  threads: number,
  columns: ScoredColumns,
  work: (writer: RowWriter) => Promise<void>,
): Promise<void> {
  let writer: RowWriter | undefined;
  try {
    writer = await createWriter(columns, sink.write, threads);
    await work(writer);
    await sink.end();
  } catch (error) {
    sink.destroy();
    throw error;
  } finally {
    await writer?.close?.();
  }
}
