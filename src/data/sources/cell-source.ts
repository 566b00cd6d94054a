import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { writeFolder, writeSynced } from '../../io/disk.js';
import { UserError, type Problem } from '../../core/errors.js';
import type { Fitted } from '../../features/feature-types.js';
import { toFittedKey } from '../../features/fitted.js';
import { LARGEST_ID } from '../../features/parse.js';
import { shardDataset } from '../batches/dataset.js';
import { cached, keptFor, recipe, sharedRecipe, type Cache, type CacheRequest } from '../cache/cache.js';
import { ENTRY } from '../cache/entry.js';
import { tidyWritten } from '../cache/tidy.js';
import { readFitted, writeFitted } from '../cache/fitted-folder.js';
import type { DialectOptions } from '../dialect.js';
import { noRows } from '../encoding/no-rows.js';
import { replayRejects, writeCacheFolder, writeRows } from '../encoding/write-rows.js';
import { encodeRows, fitRows } from '../pipeline.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import {
  blockColumns,
  recipeOf,
  trainedFormat,
  withoutFilter,
  type EncodedFormat,
  type RowFormat,
} from '../rows/row-format.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import { countLeftOut } from '../rows/row-rule.js';
import { idCountsOf } from '../shards/id-counts.js';
import { joinedShards } from '../shards/joined-shards.js';
import { leftOutOf } from '../shards/left-out.js';
import { openShards, type Shards } from '../shards/reader.js';
import { asStored } from '../shards/shard-view.js';
import { openCellPart, tellShare, type CellPart } from './cell-part.js';
import { checkKinds } from './check-kinds.js';
import { commonFolder, type DataFile } from './find-files.js';
import { cachedRawRows, fitsAnything, fromRawRows, RAW_POLICY, rawPolicy, type RawRows } from './raw-rows.js';
import { createSampler } from '../rows/sampling.js';
import { sideBySide } from './side-by-side.js';
import type { Access, Reading, Source } from './source.js';

/**
 * A file is encoded by several threads where it has more bytes. On two cores they save a third of the time where
 * columns cost much, as crosses do, and nothing with plain ones.
 */
const THREADED_BYTES = 64e6;
/** More threads would wait for the one that reads and writes. */
const MAX_THREADS = 8;
/** Of at least so many files, those of at most so many bytes are read at the same time, at most so many of them. */
const MANY_FILES = 32;
const SMALL_BYTES = 1e6;
const MAX_AHEAD = 8;
/** Problems of a source with many files that are told. */
const MAX_PROBLEMS = 20;

/**
 * Opens files of cells, whose rows are those of one source, file behind file. They are read when something is to be
 * fitted on them and
 * when they are encoded; both are kept in the cache, what was encoded file by file, so that the next run does not read
 * them. Of several
 * files each is read once: its rows are kept in numbers of its own, from which all is learned and encoded again when
 * there is a file more.
 * @throws UserError (data) with the problems of all files
 */
export async function openCellSource(
  files: readonly DataFile[],
  columns: readonly string[],
  dialect: DialectOptions,
): Promise<Source> {
  const ownCache: Cache = {};
  const parts = await openParts(files, columns, dialect, false, ownCache);
  checkKinds(parts.map(({ rows }) => rows.csv));
  const [first, ...others] = parts as [CellPart, ...CellPart[]];
  /** What the paths of all files begin with: the file, where there is one. */
  const path = others.length === 0 ? first.file.path : commonFolder(files);
  const nameOf = ({ file }: CellPart): string => relative(path, file.path);
  /** What each file has, by its name below the path. */
  const byName = <Each>(all: readonly Readonly<Record<string, Each>>[]): Readonly<Record<string, Each>> =>
    others.length === 0 ? all[0]! : Object.fromEntries(parts.map((part, i) => [nameOf(part), all[i]!['']!]));
  /** Looks at one file after the other: many at once would need as many file descriptors. */
  const ofEach = async <Found>(look: (part: CellPart) => Promise<Found>): Promise<Found[]> => {
    const found: Found[] = [];
    for (const part of parts) found.push(await look(part));
    return found;
  };
  /** All that decides what becomes of a file, beside its content and the format. */
  const recipeParts = ({
    rows: {
      csv,
      columns: { constants },
    },
  }: CellPart): readonly unknown[] => [csv.dialect, ...(constants === undefined ? [] : [[...constants]])];
  const threadsFor = ({ bytes }: CellPart, reading: Reading): number =>
    bytes > THREADED_BYTES ? Math.min(MAX_THREADS, reading.threads ?? availableParallelism()) : 1;

  const keepsLocal = (format: RowFormat, reading: Reading): boolean =>
    (others.length > 0 || reading.keepsLocalRows === true) && fitsAnything(format);
  const localOf = (part: CellPart, format: RowFormat, reading: Reading): Promise<RawRows> =>
    cachedRawRows(part, recipeParts(part), format, reading);
  const contentOf = async (part: CellPart, access: Access): Promise<Fingerprint> =>
    (await part.identify(access)) ?? (await part.hashed(access));

  const shardsRequest = async (part: CellPart, format: EncodedFormat, access: Access): Promise<CacheRequest> => {
    const { file, stats } = part;
    const own = recipeParts(part);
    return {
      kind: 'rows',
      source: file.path,
      home: file.home,
      stats,
      fingerprint: await part.identify(access),
      recipe: sharedRecipe(format, ['rows', ...own], () =>
        recipe('rows', [recipeOf(format), ...own], [toFittedKey(format.fitted)]),
      ),
    };
  };

  /** The shards of a file, encoded where they are not kept. */
  const shardsOf = async (part: CellPart, format: EncodedFormat, reading: Reading): Promise<Shards> => {
    const { file, rows } = part;
    const request = await shardsRequest(part, format, reading);
    const onShare = (share: number): void => tellShare(reading, `encoding ${file.path}`, share);
    const columns = blockColumns(format);
    const sizes = new Map(format.fields.map(({ name, rows: size }) => [name, size]));
    const { sampling, tasks } = format.spec;
    const newSampler = () => sampling && createSampler(sampling, tasks, columns);
    const folder = await cached(part.cacheOf(reading), request, async (target, entry) => {
      const to = { path: target, source: file.path, columns, entry };
      const fromFile = (): Promise<void> =>
        writeCacheFolder(to, reading.policy, async (policy, writer) => {
          const batches = encodeRows(rows, format, {
            onShare,
            threads: threadsFor(part, reading),
            onWarning: (text) => reading.cache?.onWarning?.(text),
          });
          const leftOut = await writeRows(batches, policy, writer, newSampler());
          return { sizes, leftOut, read: await part.hashed(reading) };
        });
      const fromLocal = async (): Promise<void> => {
        const local = await localOf(part, format, reading);
        await writeCacheFolder(to, reading.policy, async (policy, writer) => {
          await replayRejects(local.folder, file.path, policy);
          const batches = encodeRows(local.rows, withoutFilter(format), { onShare });
          const leftOut = new Map(local.leftOut);
          countLeftOut(leftOut, await writeRows(batches, RAW_POLICY, writer, newSampler()));
          return { sizes, leftOut, read: await contentOf(part, reading) };
        });
      };
      await (keepsLocal(format, reading) ? fromRawRows(fromLocal, fromFile) : fromFile());
    });
    // Those that were told just now are told once.
    await replayRejects(folder, file.path, reading.policy);
    // It was there a moment ago.
    return (await openShards(folder))!;
  };

  return {
    path,
    files: files.map((file) => file.path),
    takesRules: true,
    columns: commonColumns(parts),

    async fingerprint(access) {
      first.cacheOf(access).index.refresh();
      return byName(await ofEach((part) => contentOf(part, access)));
    },

    async fit(format, reading) {
      if (!fitsAnything(format)) return {};
      first.cacheOf(reading).index.refresh();
      const known = await ofEach((part) => part.identify(reading));
      const fingerprint = known.every((each) => each !== undefined) ? byName(known) : undefined;
      // Keys are no part of what is learned.
      const slot = [recipeOf({ ...format, keys: [] })];
      const learned = [
        ...(others.length === 0 ? recipeParts(first) : [parts.map((part) => [nameOf(part), ...recipeParts(part)])]),
      ];
      const request = {
        kind: 'fitted',
        source: path,
        home: first.file.home,
        stats: byName(parts.map(({ stats }) => stats)),
        fingerprint,
        recipe: recipe('fitted', slot, learned),
      } as const;
      const trained = trainedFormat(format);
      let fitted: Fitted | undefined;
      const learn = (): Promise<string> =>
        cached(first.cacheOf(reading), request, async (target, entry) => {
          const onShare = (share: number, path: string): void =>
            tellShare(reading, `learning vocabularies and scales from ${path}`, share);
          const fromFiles = (): Promise<Fitted> =>
            fitRows(
              parts.map(({ rows }) => rows),
              format,
              reading.policy,
              (share, { csv }) => onShare(share, csv.path),
            );
          const fromLocal = async (): Promise<Fitted> => {
            const locals = await eachInTurn(parts, reading, (part, own) => localOf(part, trained, own));
            const leftOut = new Map<string, number>();
            for (const local of locals) countLeftOut(leftOut, local.leftOut);
            return fitRows(
              locals.map(({ rows }) => rows),
              withoutFilter(trained),
              rawPolicy(reading.policy),
              (share, { csv }) => onShare(share, csv.path),
              { leftOut, filter: trained.spec.filter },
            );
          };
          const learned = await (keepsLocal(format, reading) ? fromRawRows(fromLocal, fromFiles) : fromFiles());
          const read = await ofEach((part) => contentOf(part, reading));
          fitted = learned;
          await writeFolder(target, async (temporary) => {
            await writeFitted(temporary, learned);
            await writeSynced(join(temporary, ENTRY), entry(byName(read)));
          });
        });
      const folder = await sideBySide(parts, reading, {
        isLacking: async () => (await keptFor(first.cacheOf(reading), request)) === undefined,
        make: keepsLocal(format, reading) ? (part, own) => localOf(part, trained, own) : undefined,
        all() {
          // Other processes have made something of it.
          first.cacheOf(reading).index.refresh();
          return learn();
        },
      });
      return fitted ?? (await readFitted(folder));
    },

    async dataset(format, reading) {
      checkTables(format, path);
      first.cacheOf(reading).index.refresh();
      const all = await sideBySide(parts, reading, {
        isLacking: async () => {
          for (const part of parts)
            if ((await keptFor(part.cacheOf(reading), await shardsRequest(part, format, reading))) === undefined)
              return true;
          return false;
        },
        make: (part, own) => shardsOf(part, format, own),
        all() {
          first.cacheOf(reading).index.refresh();
          return eachInTurn(parts, reading, (part, own) => shardsOf(part, format, own));
        },
      });
      await tidyWritten(first.cacheOf(reading));
      const shards = joinedShards(all);
      if (shards.manifest.rows === 0)
        throw noRows(
          files.map((file) => file.path),
          leftOutOf(shards.manifest),
          format.spec.filter,
          reading.policy.reasons,
        );
      return shardDataset(shards, asStored(blockColumns(format)), {
        idCounts: idCountsOf(shards.manifest),
        lossKeys: format.spec.lossKeys,
        threads: reading.threads,
        onWarning: reading.onWarning,
      });
    },

    async *stream(format, kept, reading) {
      const all = [...new Set([...columns, ...kept])];
      const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
      const keepsAll = commonColumns(parts).every((name) => kept.includes(name));
      let before = 0;
      for (const part of await openParts(files, all, dialect, keepsAll, ownCache)) {
        const batches = encodeRows(part.rows, format, {
          kept,
          threads: threadsFor(part, reading),
          onWarning: reading.onWarning,
          onShare: (share) =>
            tellShare(reading, `reading ${part.file.path}`, total === 0 ? 1 : (before + share * part.bytes) / total),
        });
        for await (const batch of batches) {
          for (const row of batch.rejects) reading.policy.reject(row);
          yield batch;
        }
        before += part.bytes;
      }
    },
  };
}

/**
 * Refuses tables of more rows than ids have, before anything is encoded for them: the largest id leaves none for empty
 * cells.
 * @param where file or folder of the rows
 * @throws UserError (data) with all such tables
 */
export function checkTables({ fields }: EncodedFormat, where: string): void {
  const fix =
    'set encoding: { name: tokens } or { name: hash, buckets: … } for the field, or remove fillMissing: token';
  const tooLarge = fields.filter(({ rows }) => rows > LARGEST_ID + 1);
  if (tooLarge.length > 0)
    throw new UserError(
      'data',
      tooLarge.map(({ name, rows }) => ({
        where,
        key: `field '${name}'`,
        message: `its ids and missing-value token require ${rows} table rows, but the maximum is ${LARGEST_ID + 1}`,
        fix,
      })),
    );
}

/**
 * Gets something of each file, of many small ones some at a time, since each waits for the disk. Invalid rows are
 * reported in the order of the files; a file that fails is taken again in its turn, which throws what it alone would.
 */
async function eachInTurn<Found>(
  parts: readonly CellPart[],
  reading: Reading,
  get: (part: CellPart, reading: Reading) => Promise<Found>,
): Promise<Found[]> {
  const found: Found[] = [];
  const getAhead = async (part: CellPart): Promise<(() => Found) | undefined> => {
    const rejects: BadRow[] = [];
    const policy: RejectPolicy = { count: 0, reject: (row) => void rejects.push(row) };
    try {
      const got = await get(part, { ...reading, policy });
      return () => (rejects.forEach((row) => reading.policy.reject(row)), got);
    } catch {
      return undefined;
    }
  };
  for (let begin = 0; begin < parts.length; begin += MAX_AHEAD) {
    const window = parts.slice(begin, begin + MAX_AHEAD);
    const isSmall = parts.length >= MANY_FILES && window.every(({ bytes }) => bytes <= SMALL_BYTES);
    const ahead = await Promise.all(isSmall ? window.map(getAhead) : []);
    for (const [i, part] of window.entries()) found.push(ahead[i]?.() ?? (await get(part, reading)));
  }
  return found;
}

/** Opens all files, and tells of all that cannot be. */
async function openParts(
  files: readonly DataFile[],
  columns: readonly string[],
  dialect: DialectOptions,
  keepsAll: boolean,
  ownCache: Cache,
): Promise<readonly CellPart[]> {
  const parts: CellPart[] = [];
  const problems: Problem[] = [];
  for (const file of files) {
    try {
      parts.push(await openCellPart(file, columns, dialect, keepsAll, ownCache));
    } catch (error) {
      if (!(error instanceof UserError) || error.kind !== 'data') throw error;
      problems.push(...error.problems);
      if (problems.length >= MAX_PROBLEMS) break;
    }
  }
  if (problems.length > 0) throw new UserError('data', problems);
  return parts;
}

/** The columns that every file has, its folders' among them, in the order of the first. */
function commonColumns(parts: readonly CellPart[]): readonly string[] {
  const all = parts.map(({ rows, file }) => [...new Set([...rows.csv.header, ...file.constants.keys()])]);
  return all[0]!.filter((name) => all.every((names) => names.includes(name)));
}
