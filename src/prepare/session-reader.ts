import { closeSync } from 'node:fs';
import { createColumnReader, openToRead, findPosition, readBytes } from './column-file.js';

/** Where the words of sessions lie: files of `encodeSessions`, in the order of the sessions. */
export interface SessionFiles {
  readonly files: readonly string[];
  /** By file the number of its first session; one place more. */
  readonly firsts: readonly number[];
}

/** The words of some sessions. */
export interface LoadedSessions {
  readonly words: Uint32Array;
  /** Where the words of each session begin. */
  readonly starts: Uint32Array;
  /** By row that was asked for: the place of its session in `starts`. */
  readonly places: Uint32Array;
}

/**
 * Reads the sessions that a chunk's rows name, each once, from their files: memory depends on the chunk, not on how
 * many
 * sessions there are, but for 8 bytes for each of them.
 */
export interface SessionReader {
  /**
   * Valid until the next call.
   * @throws UserError (data) for files that are broken
   */
  load(sessions: Uint32Array): LoadedSessions;
  /** Lets go of what is open; what was learned of the files stays. */
  close(): void;
}

/**
 * Sessions that lie no farther apart, in words, are read with what is between them: that costs less than another read.
 */
const GAP_WORDS = 1024;

/** A file that was looked at, and opened where something is read of it. */
interface Source {
  readonly position: number;
  readonly offsets: Uint32Array;
  handle: number | undefined;
}

/** A reader of sessions. */
export function createSessionReader({ files, firsts }: SessionFiles): SessionReader {
  const sources = new Map<number, Source>();
  /** By session one more than its place; 0 where it has none. */
  const placeOf = new Uint32Array(firsts.at(-1)!);
  let words = new Uint32Array(0);
  let places = new Uint32Array(0);

  const sourceOf = (file: number): Source => {
    let source = sources.get(file);
    if (source === undefined) {
      const path = files[file]!;
      // A reader of its own: all of them are kept. Written as U32 by `encodeSessions`.
      source = {
        position: findPosition(path, 'words'),
        offsets: createColumnReader().read(path, ['offsets']).get('offsets') as Uint32Array,
        handle: undefined,
      };
      sources.set(file, source);
    }
    return source;
  };
  const read = (file: number, begin: number, end: number, at: number): void => {
    const source = sourceOf(file);
    source.handle ??= openToRead(files[file]!);
    readBytes(
      source.handle,
      files[file]!,
      new Uint8Array(words.buffer, 4 * at, 4 * (end - begin)),
      source.position + 4 * begin,
    );
  };

  /**
   * Reads these sessions, of rising numbers; leaves their places in `placeOf`. @returns where the words of each begin
   */
  const loadDistinct = (distinct: Uint32Array): Uint32Array => {
    const starts = new Uint32Array(distinct.length);
    /** Words of one file that are read at once, and where they go. */
    const runs: { readonly file: number; readonly begin: number; end: number; readonly at: number }[] = [];
    let file = 0;
    let total = 0;
    for (let place = 0; place < distinct.length; place++) {
      const session = distinct[place]!;
      placeOf[session] = place + 1;
      while (session >= firsts[file + 1]!) file++;
      const { offsets } = sourceOf(file);
      const begin = offsets[session - firsts[file]!]!;
      const end = offsets[session - firsts[file]! + 1]!;
      let run = runs.at(-1);
      if (run === undefined || run.file !== file || begin - run.end > GAP_WORDS)
        runs.push((run = { file, begin, end: begin, at: total }));
      total += end - run.end;
      run.end = end;
      starts[place] = run.at + begin - run.begin;
    }
    if (words.length < total) words = new Uint32Array(Math.ceil(1.25 * total));
    for (const run of runs) read(run.file, run.begin, run.end, run.at);
    return starts;
  };

  return {
    load(sessions) {
      const asked = [];
      for (const session of sessions) {
        if (placeOf[session] !== 0) continue;
        placeOf[session] = 1;
        asked.push(session);
      }
      try {
        const starts = loadDistinct(Uint32Array.from(asked).sort());
        if (places.length < sessions.length) places = new Uint32Array(sessions.length);
        for (let row = 0; row < sessions.length; row++) places[row] = placeOf[sessions[row]!]! - 1;
        return { words, starts, places };
      } finally {
        for (const session of asked) placeOf[session] = 0;
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
