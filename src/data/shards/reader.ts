import { join } from 'node:path';
import { quoted, userError } from '../../core/errors.js';
import { openSafetensors, type TensorFile, type TensorPlace, type TensorRead } from '../../io/safetensors.js';
import { hasWords, wordColumn, wordsOf, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { BLAME_DATA, checkBytes, checkShard, readManifest, type Manifest } from './manifest.js';
import { bagTensors, tensorShape } from './tensors.js';

/** Rows `begin` to `end` of one shard. */
export interface ShardRows {
  readonly shard: number;
  readonly begin: number;
  readonly end: number;
}

/** A folder, and what is in it. */
export interface ShardFolder {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** A folder of shards, ready to be read. */
export interface Shards {
  readonly folder: string;
  /** What another thread needs to read the same: one folder, or several as one. */
  readonly folders: readonly ShardFolder[];
  readonly manifest: Manifest;
  /**
   * Appends the rows of all parts to a block that has room for them; nothing else may use it meanwhile.
   * @param isGlance whether bytes are taken as they are, of shards that will be read whole before anything is made of
   * them for good
   * @throws UserError (data) for a shard that is not what the manifest says
   */
  read(
    parts: readonly ShardRows[],
    columns: readonly BlockColumn[],
    block: RowBlock,
    isGlance?: boolean,
  ): Promise<void>;
}

/**
 * Opens a folder of shards.
 * @returns undefined where it has no manifest
 * @throws UserError (data) for one that is broken
 */
export async function openShards(folder: string): Promise<Shards | undefined> {
  const manifest = await readManifest(folder);
  return manifest && shardsIn({ folder, manifest });
}

/** The shards of a folder whose manifest is known. */
export function shardsIn({ folder, manifest }: ShardFolder): Shards {
  const files = new Map<string, Promise<TensorFile>>();
  const openFile = (name: string): Promise<TensorFile> => {
    const file = files.get(name) ?? openSafetensors(join(folder, name), BLAME_DATA);
    files.set(name, file);
    return file;
  };
  /** Files whose bytes were all checked. */
  const seen = new Set<string>();
  const check = async ({ shard, file, reads }: Source): Promise<void> => {
    if (seen.has(shard.file)) return;
    const pieces = wholeFile(file, reads, shard.bytes);
    await (pieces === undefined ? checkShard(folder, shard) : checkBytes(folder, shard, pieces));
    seen.add(shard.file);
  };
  /**
   * Memory for the offsets of a shard's bags, which is used again: fresh pages cost more than what is read into them.
   */
  const spare: Uint32Array[] = [];
  const fileRows = rowsByFile(manifest);
  const mostRows = [...fileRows.values()].reduce((most, rows) => Math.max(most, rows), 0);
  return {
    folder,
    manifest,
    // What the writer tells beside is nothing that is read by.
    folders: [{ folder, manifest: { ...manifest, about: {} } }],
    async read(parts, columns, block, isGlance = false) {
      const sources = await Promise.all(
        joinAdjacent(parts, manifest).map(async ({ shard, begin, end }): Promise<Source> => {
          return {
            shard,
            path: join(folder, shard.file),
            file: await openFile(shard.file),
            fileRows: fileRows.get(shard.file)!,
            begin,
            rows: end - begin,
            offsets: new Map(),
            reads: [],
          };
        }),
      );
      await readCells(sources, columns, block, () => spare.pop() ?? new Uint32Array(mostRows + 1));
      const bags = columns.filter((each) => !hasWords(each));
      if (bags.length > 0)
        await readItems(
          sources,
          bags.map(({ name }) => name),
          block,
        );
      if (!isGlance)
        await Promise.all([...new Map(sources.map((source) => [source.shard.file, source])).values()].map(check));
      for (const { offsets } of sources) for (const { buffer } of offsets.values()) spare.push(new Uint32Array(buffer));
      block.rows += sources.reduce((sum, { rows }) => sum + rows, 0);
    },
  };
}

/** Rows of a file that holds one or several shards. */
interface FilePart {
  /** The first of the shards. */
  readonly shard: Manifest['shards'][number];
  /** Rows of the file. */
  readonly begin: number;
  readonly end: number;
}

/** Returns the rows of shards as rows of their files; rows that follow each other in a file are one part. */
function joinAdjacent(parts: readonly ShardRows[], { shards }: Manifest): readonly FilePart[] {
  const joined: FilePart[] = [];
  for (const { shard: number, begin, end } of parts) {
    const shard = shards[number]!;
    const { file, first = 0 } = shard;
    const last = joined.at(-1);
    if (last?.shard.file === file && last.end === first + begin)
      joined[joined.length - 1] = { ...last, end: first + end };
    else joined.push({ shard, begin: first + begin, end: first + end });
  }
  return joined;
}

/** Returns the number of rows of each file of shards. */
function rowsByFile({ shards }: Manifest): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { file, rows } of shards) sums.set(file, (sums.get(file) ?? 0) + rows);
  return sums;
}

/** Rows of a file that are read into a block. */
interface Source extends Omit<FilePart, 'end'> {
  readonly path: string;
  readonly file: TensorFile;
  readonly fileRows: number;
  readonly rows: number;
  /** By bag: item offsets of these rows in the file, and the end of the last. */
  readonly offsets: Map<string, Uint32Array>;
  /** All that was read of the file; it does not change until the rows are in the block. */
  readonly reads: TensorRead[];
}

/** Reads more of a shard. */
async function readMore({ file, reads }: Source, more: readonly TensorRead[]): Promise<void> {
  reads.push(...more);
  await file.read(more);
}

/**
 * The bytes of a file in their order, where reads have all of them: what was just read is not read again for its hash.
 */
function wholeFile({ head }: TensorFile, reads: readonly TensorRead[], fileBytes: number): Uint8Array[] | undefined {
  // A tensor without an element begins where the next one does.
  const inTurn = [...reads].sort((a, b) => a.position - b.position || a.into.byteLength - b.into.byteLength);
  const pieces = [head];
  let end = head.byteLength;
  for (const { position, into } of inTurn) {
    if (position !== end) return undefined;
    pieces.push(new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    end += into.byteLength;
  }
  return end === fileBytes ? pieces : undefined;
}

/** Reads everything with one value a row, and the offsets of bags: where their items lie is known only from them. */
async function readCells(
  sources: readonly Source[],
  columns: readonly BlockColumn[],
  block: RowBlock,
  takeOffsets: () => Uint32Array,
): Promise<void> {
  let at = block.rows;
  await Promise.all(
    sources.map((source) => {
      const { path, file, fileRows, begin, rows, offsets } = source;
      const reads = columns.map((each): TensorRead => {
        if (!hasWords(each)) {
          const into = takeOffsets().subarray(0, rows + 1);
          offsets.set(each.name, into);
          const { position } = placeOf(file, path, bagTensors(each.name).offsets, 'U32', fileRows + 1);
          return { position: position + 4 * begin, into };
        }
        const { dtype, width: wide } = tensorShape(each);
        const { position } = placeOf(file, path, each.name, dtype, fileRows, wide);
        const { data, width } = wordColumn(block, each);
        return { position: position + 4 * width * begin, into: data.subarray(width * at, width * (at + rows)) };
      });
      at += rows;
      return readMore(source, reads);
    }),
  );
}

/** Reads the items of bags, whose offsets are there. */
async function readItems(sources: readonly Source[], names: readonly string[], block: RowBlock): Promise<void> {
  const reads = sources.map((): TensorRead[] => []);
  for (const name of names) {
    const bag = block.bags.get(name)!;
    let row = block.rows;
    for (const { path, file, offsets: all } of sources) {
      const offsets = all.get(name)!;
      const { ids } = itemPlaces(file, path, name);
      if (!appendOffsets(offsets, bag.offsets, row) || offsets.at(-1)! > ids.shape[0]!)
        throw broken(path, bagTensors(name).offsets, 'they do not increase from 0 to the number of ids');
      row += offsets.length - 1;
    }
    bag.reserve(bag.offsets[row]!);

    let begin = bag.offsets[block.rows]!;
    for (const [s, { path, file, offsets: all }] of sources.entries()) {
      const offsets = all.get(name)!;
      const { ids, weights } = itemPlaces(file, path, name);
      const end = begin + offsets.at(-1)! - offsets[0]!;
      reads[s]!.push({ position: ids.position + 4 * offsets[0]!, into: bag.ids.subarray(begin, end) });
      reads[s]!.push({ position: weights.position + 4 * offsets[0]!, into: bag.weights.subarray(begin, end) });
      begin = end;
    }
  }
  await Promise.all(sources.map((source, s) => readMore(source, reads[s]!)));
}

/**
 * Goes on with the offsets of bags from row `row` of a block by those of other rows.
 * @returns whether they never fall, below 2^31
 */
function appendOffsets(from: Uint32Array, to: Uint32Array, row: number): boolean {
  // What fits a register of 32 bits, and one look at all signs: many times as fast.
  const [words, into] = [wordsOf(from), wordsOf(to)];
  let before = words[0]!;
  let signs = before;
  const shift = (into[row]! - before) | 0;
  for (let i = 1; i < words.length; i++) {
    const end = words[i]!;
    signs |= end | (end - before);
    into[row + i] = end + shift;
    before = end;
  }
  return signs >= 0;
}

function itemPlaces(
  file: TensorFile,
  path: string,
  name: string,
): { readonly ids: TensorPlace; readonly weights: TensorPlace } {
  const tensors = bagTensors(name);
  const ids = placeOf(file, path, tensors.ids, 'U32');
  return { ids, weights: placeOf(file, path, tensors.weights, 'F32', ids.shape[0]) };
}

/** Where a tensor lies, which must be of this type and length, and of this many columns where it has some. */
function placeOf(
  file: TensorFile,
  path: string,
  name: string,
  dtype: string,
  length?: number,
  width?: number,
): TensorPlace {
  const place = file.places.get(name);
  const wanted = length ?? place?.shape[0];
  if (
    place?.dtype !== dtype ||
    place.shape.length !== (width === undefined ? 1 : 2) ||
    place.shape[0] !== wanted ||
    place.shape[1] !== width
  ) {
    throw broken(
      path,
      name,
      `expected ${dtype} [${wanted ?? 'n'}${width === undefined ? '' : `, ${width}`}], found ` +
        (place === undefined ? 'nothing' : `${quoted(place.dtype)} [${place.shape.join(', ')}]`),
    );
  }
  return place;
}

function broken(where: string, tensor: string, message: string): Error {
  return userError('data', { where, key: `tensor '${tensor}'`, message, fix: BLAME_DATA.fix });
}
