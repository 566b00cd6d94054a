import { userError } from '../../core/errors.js';
import type { Paths } from '../options.js';
import { isStream } from '../readers/data-stream.js';
import type { ChunkStream, StreamOpening } from './chunk-stream.js';
import { openGrowingFiles } from './growing-files.js';
import { kafka } from './kafka.js';
import { nats } from './nats.js';
import { recordChunks } from './record-chunks.js';
import type { RecordSource } from './record-stream.js';
import { openStandardInput } from './standard-input.js';

/** All kinds of record streams: one file and one line each. */
const RECORD_SOURCES: readonly RecordSource[] = [kafka, nats];

/**
 * Opens a stream of rows: a URL of a record stream, standard input or a named pipe, or files that grow.
 * @throws UserError (data) for a stream that cannot be opened
 */
export async function openChunkStream(paths: Paths, opening: StreamOpening): Promise<ChunkStream> {
  const all = [paths].flat();
  const sourceOf = (path: string): RecordSource | undefined => RECORD_SOURCES.find((each) => each.matches(path));
  const stream = all.find((path) => isStream(path) || sourceOf(path) !== undefined);
  if (stream === undefined) return openGrowingFiles(paths, opening);
  if (all.length > 1)
    throw userError('data', {
      key: 'data.train',
      where: stream,
      message: 'is a stream, which cannot be combined with other paths',
      fix: 'use it as the only path',
    });
  const source = sourceOf(stream);
  return source === undefined ? openStandardInput(stream, opening) : recordChunks(await source.open(stream), opening);
}
