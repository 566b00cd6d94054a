import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { wallClockMs } from '../system/clock.js';
import { createFileAtomic, onDisk } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';
import { thisProcess } from '../system/owner.js';
import type { Point } from './space.js';
import { createRelease, entrySchemas, type Claim, type Trial, type TrialResult } from './trial.js';

/** Directory of a study's journal. */
export const JOURNAL = 'journal';

type Kind = keyof typeof entrySchemas;
/** The entries of a trial by kind, in the order of their indices. */
type Entries = { readonly [K in Kind]: z.output<(typeof entrySchemas)[K]>[] };

/** Name of an entry: trial number, kind, and an index from 1 for claims, releases and rungs. */
const ENTRY = /^(\d+)\.(trial|claim|release|rung|result)(?:-(\d+))?\.json$/;
const entryName = (number: number, kind: Kind, index?: number): string =>
  `${String(number).padStart(6, '0')}.${kind}${index === undefined ? '' : `-${String(index).padStart(3, '0')}`}.json`;

/**
 * Events of a study as small files, each written once, completely and by whoever is first. Any number of workers on any
 * machine that shares the directory thus agree. Entries are never changed or removed.
 */
export interface Journal {
  /** Reads entries that were written since the last call. */
  refresh(): Promise<void>;
  /** Ordered by number, from 1; as of the last refresh. */
  readonly trials: readonly Trial[];
  /** Begins a trial; returns false if its number is taken. */
  begin(number: number, point: Point): Promise<boolean>;
  /** Claims a trial; returns undefined if another worker was first. */
  claim(trial: Trial): Promise<Claim | undefined>;
  /** Releases the last claim of a trial, which is free after a wait that grows with its releases. */
  release(trial: Trial, reason: string): Promise<void>;
  /** Records the value of a trial at a rung, counted from 0; the first record wins. */
  reach(number: number, rung: number, record: z.input<typeof entrySchemas.rung>): Promise<void>;
  /** Ends a trial; returns false if it already has a result. */
  end(number: number, result: TrialResult): Promise<boolean>;
}

/** Opens the journal of an existing study. */
export async function openJournal(study: string): Promise<Journal> {
  const folder = join(study, JOURNAL);
  const readNames = new Set<string>();
  const entries = new Map<number, Entries>();
  let trials: readonly Trial[] = [];
  const refresh = async (): Promise<void> => {
    const names = await onDisk(folder, () => readdir(folder));
    // A listing during concurrent writes may miss a claim before one that it contains; the next refresh finds it.
    const newNames = names.filter((name) => !readNames.has(name));
    if (newNames.length === 0) return;
    await Promise.all(newNames.map((name) => readEntry(folder, name, entries)));
    for (const name of newNames) readNames.add(name);
    trials = [...entries.values()].flatMap((entry) => toTrial(folder, entry)).sort((a, b) => a.number - b.number);
  };
  const write = <K extends Kind>(number: number, kind: K, content: z.input<(typeof entrySchemas)[K]>, index?: number) =>
    createFileAtomic(join(folder, entryName(number, kind, index)), `${JSON.stringify(content)}\n`);

  await refresh();
  return {
    refresh,
    get trials() {
      return trials;
    },
    begin: (number, point) =>
      write(number, 'trial', { number, point, createdAt: new Date(wallClockMs()).toISOString() }),
    async claim({ number, claims }) {
      const index = claims.length + 1;
      const owner = thisProcess();
      return (await write(number, 'claim', { owner }, index))
        ? { owner, path: join(folder, entryName(number, 'claim', index)), release: undefined }
        : undefined;
    },
    async release({ number, claims }, reason) {
      const numReleases = claims.filter(({ release }) => release !== undefined).length;
      await write(number, 'release', createRelease(reason, numReleases, wallClockMs()), claims.length);
    },
    async reach(number, rung, record) {
      await write(number, 'rung', record, rung + 1);
    },
    end: (number, result) => write(number, 'result', result),
  };
}

/** Adds an entry to the entries of its trial. */
async function readEntry(folder: string, name: string, entries: Map<number, Entries>): Promise<void> {
  const [, digits, kind, index = '1'] = ENTRY.exec(name) ?? [];
  if (digits === undefined) return;
  const number = Number(digits);
  const own = entries.get(number) ?? { trial: [], claim: [], release: [], rung: [], result: [] };
  entries.set(number, own);
  const path = join(folder, name);
  try {
    const content = entrySchemas[kind as Kind].parse(JSON.parse(await readFile(path, 'utf8')));
    (own[kind as Kind] as unknown[])[Number(index) - 1] = content;
  } catch (error) {
    const code = systemCode(error);
    throw userError(
      'disk',
      {
        where: path,
        message: code === undefined ? 'invalid journal entry' : `cannot read the journal entry (${code})`,
        fix: code === undefined ? 'restore the file, which only mtl may write' : 'check the disk',
      },
      error,
    );
  }
}

/** Combines the entries of a trial; none before its definition was read. */
function toTrial(folder: string, { trial: [definition], claim, release, rung, result }: Entries): readonly Trial[] {
  if (definition === undefined) return [];
  const { number } = definition;
  const claims = claim.map(({ owner }, i) => ({
    owner,
    path: join(folder, entryName(number, 'claim', i + 1)),
    release: release[i],
  }));
  return [{ ...definition, claims, rungs: rung.map(({ value }) => value), result: result[0] }];
}
