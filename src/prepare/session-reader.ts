import { closeSync, openSync, readSync } from 'node:fs';
import { createColumnReader, positionOf } from './column-file.js';

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
  readonly starts: readonly number[];
  /** By row that was asked for: the place of its session in `starts`. */
  readonly places: Uint32Array;
}

/**
 * Reads the sessions that a chunk's rows name, each once, from their files: memory depends on the chunk, not on how many
 * sessions there are.
 */
export interface SessionReader {
  /** Valid until the next call. */
  load(sessions: Uint32Array): LoadedSessions;
  close(): void;
}

/** A reader of sessions. @throws UserError (data) for files that are broken */
export function openSessions({ files, firsts }: SessionFiles): SessionReader {
  const sources = files.map((path) => ({
    handle: openSync(path, 'r'),
    position: positionOf(path, 'words'),
    // A reader of its own: all of them are kept. Written as U32 by `encodeSessions`.
    offsets: createColumnReader().read(path, ['offsets']).get('offsets') as Uint32Array,
  }));
  let words = new Uint32Array(1 << 16);
  let places = new Uint32Array(0);
  let file = 0;

  const read = (session: number, at: number): number => {
    while (session < firsts[file]!) file--;
    while (session >= firsts[file + 1]!) file++;
    const { handle, position, offsets } = sources[file]!;
    const begin = offsets[session - firsts[file]!]!;
    const length = offsets[session - firsts[file]! + 1]! - begin;
    if (at + length > words.length) {
      const larger = new Uint32Array(Math.max(at + length, 2 * words.length));
      larger.set(words);
      words = larger;
    }
    const into = new Uint8Array(words.buffer, 4 * at, 4 * length);
    for (let done = 0; done < into.length; ) {
      const count = readSync(handle, into, done, into.length - done, position + 4 * begin + done);
      if (count === 0) throw new Error(`${files[file]} ends within a session`);
      done += count;
    }
    return length;
  };

  return {
    load(sessions) {
      if (places.length < sessions.length) places = new Uint32Array(sessions.length);
      const placeOf = new Map<number, number>();
      const starts: number[] = [];
      let at = 0;
      for (let row = 0; row < sessions.length; row++) {
        let place = placeOf.get(sessions[row]!);
        if (place === undefined) {
          place = starts.length;
          placeOf.set(sessions[row]!, place);
          starts.push(at);
          at += read(sessions[row]!, at);
        }
        places[row] = place;
      }
      return { words, starts, places };
    },
    close: () => sources.forEach(({ handle }) => closeSync(handle)),
  };
}
