import { closeSync } from 'node:fs';
import { createColumnReader, openToRead, findPosition, readBytes } from './column-file.js';

/** Files of `encodeSessions`, in session order. */
export interface SessionFiles {
  readonly files: readonly string[];
  /** First session of each file, plus the total. */
  readonly firsts: readonly number[];
}

/** The words of some sessions. */
export interface LoadedSessions {
  readonly words: Uint32Array;
  /** Offset of each session's words. */
  readonly starts: Uint32Array;
  /** Index into `starts` per requested row. */
  readonly places: Uint32Array;
}

/**
 * Reads the distinct sessions of a chunk's rows from their files. Memory depends on the chunk, besides 8 bytes per
 * session.
 */
export interface SessionReader {
  /**
   * Valid until the next call.
   * @throws UserError (data) for broken files
   */
  load(sessions: Uint32Array): LoadedSessions;
  /** Closes open files; keeps their metadata. */
  close(): void;
}

/** Gaps up to this many words are read, since that is cheaper than another read. */
const GAP_WORDS = 1024;

/** A file whose metadata was read, opened on demand. */
interface Source {
  readonly position: number;
  readonly offsets: Uint32Array;
  handle: number | undefined;
}

/** Creates a reader of sessions by number. */
export function createSessionReader({ files, firsts }: SessionFiles): SessionReader {
  const sources = new Map<number, Source>();
  /** Index plus 1 per session; 0 if it was not requested. */
  const indexBySession = new Uint32Array(firsts.at(-1)!);
  let words = new Uint32Array(0);
  let indices = new Uint32Array(0);

  const openSource = (file: number): Source => {
    let source = sources.get(file);
    if (source === undefined) {
      const path = files[file]!;
      // A separate reader, since all results stay in use.
      source = {
        position: findPosition(path, 'words'),
        offsets: createColumnReader().read(path, ['offsets']).get('offsets') as Uint32Array,
        handle: undefined,
      };
      sources.set(file, source);
    }
    return source;
  };
  const read = (file: number, begin: number, end: number, offset: number): void => {
    const source = openSource(file);
    source.handle ??= openToRead(files[file]!);
    readBytes(
      source.handle,
      files[file]!,
      new Uint8Array(words.buffer, 4 * offset, 4 * (end - begin)),
      source.position + 4 * begin,
    );
  };

  /** Reads distinct ascending sessions, and sets `indexBySession`. @returns the offset of each session's words */
  const loadDistinct = (distinct: Uint32Array): Uint32Array => {
    const starts = new Uint32Array(distinct.length);
    /** Reads of contiguous words with their targets. */
    const runs: { readonly file: number; readonly begin: number; end: number; readonly at: number }[] = [];
    let file = 0;
    let total = 0;
    for (let index = 0; index < distinct.length; index++) {
      const session = distinct[index]!;
      indexBySession[session] = index + 1;
      while (session >= firsts[file + 1]!) file++;
      const { offsets } = openSource(file);
      const begin = offsets[session - firsts[file]!]!;
      const end = offsets[session - firsts[file]! + 1]!;
      let run = runs.at(-1);
      if (run === undefined || run.file !== file || begin - run.end > GAP_WORDS)
        runs.push((run = { file, begin, end: begin, at: total }));
      total += end - run.end;
      run.end = end;
      starts[index] = run.at + begin - run.begin;
    }
    if (words.length < total) words = new Uint32Array(Math.ceil(1.25 * total));
    for (const run of runs) read(run.file, run.begin, run.end, run.at);
    return starts;
  };

  return {
    load(sessions) {
      const requested = [];
      for (const session of sessions) {
        if (indexBySession[session] !== 0) continue;
        indexBySession[session] = 1;
        requested.push(session);
      }
      try {
        const starts = loadDistinct(Uint32Array.from(requested).sort());
        if (indices.length < sessions.length) indices = new Uint32Array(sessions.length);
        for (let row = 0; row < sessions.length; row++) indices[row] = indexBySession[sessions[row]!]! - 1;
        return { words, starts, places: indices };
      } finally {
        for (const session of requested) indexBySession[session] = 0;
      }
    },
    close() {
      for (const source of sources.values()) {
        if (source.handle !== undefined) closeSync(source.handle);
        source.handle = undefined;
      }
    },
  };
}
