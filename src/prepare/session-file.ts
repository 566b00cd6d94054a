import { closeSync } from 'node:fs';
import { createRowBlock, reserveRows, toWords, type BlockColumn, type RowBlock } from '../chunks/row-block.js';
import { column } from '../core/batch.js';
import { createColumnReader, findColumn, openToRead, readBytes, writeColumns } from '../io/column-file.js';
import { fieldColumns, type FieldPlan } from './fields.js';

// Encoded sessions for random access: `offsets` U32 [sessions + 1] and `words` U32. A session has, per field in order,
// an id and the bits of its weight, if used; for a bag, the number of values, their ids and the bits of their weights.

/** Files of encoded sessions, in session order. */
export interface SessionFiles {
  readonly files: readonly string[];
  /** First session of each file, plus the total. */
  readonly firsts: readonly number[];
  readonly fields: readonly FieldPlan[];
}

/** Arrays of a field as signed words. */
interface FieldWords {
  readonly ids: Int32Array;
  readonly weights: Int32Array | undefined;
  readonly offsets: Uint32Array | undefined;
}

function fieldWords(block: RowBlock, { name, isBag, number }: FieldPlan): FieldWords {
  const { ids, weights, offsets } = isBag
    ? column(block, name, 'list')
    : {
        ids: column(block, name, 'u32').data,
        weights: number === undefined ? undefined : column(block, number, 'f32').data,
        offsets: undefined,
      };
  return { ids: toWords(ids), weights: weights && toWords(weights), offsets };
}

/** Reused for every file of a thread, since the first touch of a page is expensive. */
let words = new Int32Array(0);

/** Writes a block of encoded sessions. @throws UserError (disk) */
export function writeSessions(path: string, block: RowBlock, fields: readonly FieldPlan[]): void {
  const all = fields.map((field) => fieldWords(block, field));
  const rowWords = ({ offsets, weights }: FieldWords): number =>
    offsets === undefined ? (weights === undefined ? 1 : 2) * block.rows : block.rows + 2 * offsets[block.rows]!;
  const total = all.reduce((sum, field) => sum + rowWords(field), 0);
  if (words.length < total) words = new Int32Array(Math.ceil(1.25 * total));
  const starts = new Uint32Array(block.rows + 1);
  let at = 0;
  for (let row = 0; row < block.rows; row++) {
    for (const { ids, weights, offsets } of all) {
      if (offsets === undefined) {
        words[at++] = ids[row]!;
        if (weights !== undefined) words[at++] = weights[row]!;
        continue;
      }
      const [begin, end] = [offsets[row]!, offsets[row + 1]!];
      words[at++] = end - begin;
      for (let i = begin; i < end; i++) words[at++] = ids[i]!;
      for (let i = begin; i < end; i++) words[at++] = weights![i]!;
    }
    starts[row + 1] = at;
  }
  const own = [
    ['offsets', starts],
    ['words', new Uint32Array(words.buffer, 0, at)],
  ] as const;
  writeColumns(path, own, {});
}

/** Replaces the rows of a block by sessions, whose words are at some offsets. */
function unpackSessions(from: Int32Array, starts: Uint32Array, fields: readonly FieldPlan[], block: RowBlock): void {
  const at = starts.slice();
  for (const field of fields) {
    if (field.isBag) {
      const bag = column(block, field.name, 'list');
      for (let row = 0; row < at.length; row++) bag.offsets[row + 1] = bag.offsets[row]! + from[at[row]!]!;
      bag.reserve(bag.offsets[at.length]!);
    }
    const { ids, weights, offsets } = fieldWords(block, field);
    for (let row = 0; row < at.length; row++) {
      if (offsets === undefined) {
        ids[row] = from[at[row]!++]!;
        if (weights !== undefined) weights[row] = from[at[row]!++]!;
        continue;
      }
      const begin = at[row]! + 1;
      const size = from[begin - 1]!;
      ids.set(from.subarray(begin, begin + size), offsets[row]);
      weights!.set(from.subarray(begin + size, begin + 2 * size), offsets[row]);
      at[row] = begin + 2 * size;
    }
  }
  block.rows = at.length;
}

/** The distinct sessions of some rows. */
export interface LoadedSessions {
  readonly block: RowBlock;
  /** Index of the session of each row. */
  readonly indices: Uint32Array;
}

/** A file whose metadata was read, opened on demand. */
interface Source {
  readonly path: string;
  /** Byte offset of the words. */
  readonly position: number;
  readonly offsets: Uint32Array;
  handle: number | undefined;
}

/** Gaps up to this many words are read, since that is cheaper than another read. */
const GAP_WORDS = 1024;

/** Reads sessions by number. Memory depends on the requested sessions, besides 8 bytes per session. */
export class SessionReader {
  readonly #files: SessionFiles;
  readonly #columns: readonly BlockColumn[];
  readonly #block: RowBlock;
  readonly #sources = new Map<number, Source>();
  /** Index plus 1 per session; 0 if it was not requested. */
  readonly #indices: Uint32Array;
  #words = new Int32Array(0);

  constructor(files: SessionFiles) {
    this.#files = files;
    this.#columns = files.fields.flatMap(fieldColumns);
    this.#block = createRowBlock(this.#columns, 0);
    this.#indices = new Uint32Array(files.firsts.at(-1)!);
  }

  /**
   * Reads the sessions of rows; valid until the next call.
   * @throws UserError (data) for broken files
   */
  load(sessions: Uint32Array): LoadedSessions {
    const all = this.#indices;
    const requested: number[] = [];
    for (const session of sessions) {
      if (all[session] !== 0) continue;
      all[session] = 1;
      requested.push(session);
    }
    try {
      const distinct = Uint32Array.from(requested).sort();
      const starts = this.#readWords(distinct);
      this.#block.rows = 0;
      reserveRows(this.#block, this.#columns, distinct.length);
      unpackSessions(this.#words, starts, this.#files.fields, this.#block);
      for (let index = 0; index < distinct.length; index++) all[distinct[index]!] = index;
      const indices = new Uint32Array(sessions.length);
      for (let row = 0; row < indices.length; row++) indices[row] = all[sessions[row]!]!;
      return { block: this.#block, indices };
    } finally {
      for (const session of requested) all[session] = 0;
    }
  }

  /** Closes open files; keeps their metadata. */
  close(): void {
    for (const source of this.#sources.values()) {
      if (source.handle !== undefined) closeSync(source.handle);
      source.handle = undefined;
    }
  }

  /** Reads distinct ascending sessions. @returns the offset of each session's words */
  #readWords(distinct: Uint32Array): Uint32Array {
    const { firsts } = this.#files;
    const starts = new Uint32Array(distinct.length);
    /** Reads of contiguous words with their targets. */
    const runs: { readonly source: Source; readonly begin: number; end: number; readonly at: number }[] = [];
    let [file, total] = [0, 0];
    for (let index = 0; index < distinct.length; index++) {
      const session = distinct[index]!;
      while (session >= firsts[file + 1]!) file++;
      const source = this.#findSource(file);
      const begin = source.offsets[session - firsts[file]!]!;
      const end = source.offsets[session - firsts[file]! + 1]!;
      let run = runs.at(-1);
      if (run?.source !== source || begin - run.end > GAP_WORDS)
        runs.push((run = { source, begin, end: begin, at: total }));
      total += end - run.end;
      run.end = end;
      starts[index] = run.at + begin - run.begin;
    }
    if (this.#words.length < total) this.#words = new Int32Array(Math.ceil(1.25 * total));
    for (const { source, begin, end, at } of runs) {
      source.handle ??= openToRead(source.path);
      const target = new Uint8Array(this.#words.buffer, 4 * at, 4 * (end - begin));
      readBytes(source.handle, source.path, target, source.position + 4 * begin);
    }
    return starts;
  }

  #findSource(file: number): Source {
    const known = this.#sources.get(file);
    if (known !== undefined) return known;
    const path = this.#files.files[file]!;
    // A separate reader, since all results stay in use.
    const offsets = createColumnReader().read(path, ['offsets']).get('offsets') as Uint32Array;
    const source = { path, position: findColumn(path, 'words').position, offsets, handle: undefined };
    this.#sources.set(file, source);
    return source;
  }
}
