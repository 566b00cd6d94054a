import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { wallClockMs } from '../system/clock.js';
import { createFileAtomic, onDisk } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';
import { thisProcess } from '../system/owner.js';
import type { Point } from './space.js';
import {
  claimSchema,
  createRelease,
  releaseSchema,
  resultSchema,
  rungSchema,
  trialSchema,
  type Claim,
  type Trial,
  type TrialResult,
} from './trial.js';

/** Directory of a study's journal. */
export const JOURNAL = 'journal';

/** Name of an entry: trial number, kind, and an index for claims, releases and rungs. */
const ENTRY = /^(\d+)\.(trial|claim|release|rung|result)(?:-(\d+))?\.json$/;
const entryName = (number: number, kind: string, count?: number): string =>
  `${String(number).padStart(6, '0')}.${kind}${count === undefined ? '' : `-${String(count).padStart(3, '0')}`}.json`;

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
  reach(number: number, rung: number, record: z.input<typeof rungSchema>): Promise<void>;
  /** Ends a trial; returns false if it already has a result. */
  end(number: number, result: TrialResult): Promise<boolean>;
}

interface JournalEntry {
  definition?: z.output<typeof trialSchema>;
  readonly claims: Claim[];
  readonly releases: Exclude<Claim['release'], undefined>[];
  readonly rungs: number[];
  result?: TrialResult;
}

/** Reads the entries of a journal; each file once. */
class EntryReader {
  readonly #folder: string;
  readonly #readNames = new Set<string>();
  readonly #entries = new Map<number, JournalEntry>();
  trials: readonly Trial[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async refresh(): Promise<void> {
    const names = await onDisk(this.#folder, () => readdir(this.#folder));
    // A listing during concurrent writes may miss a claim before one that it contains; the next refresh finds it.
    const newNames = names.filter((name) => !this.#readNames.has(name));
    if (newNames.length === 0) return;
    await Promise.all(newNames.map((name) => this.#read(name)));
    for (const name of newNames) this.#readNames.add(name);
    this.trials = [...this.#entries.values()]
      .flatMap(({ definition, claims, releases, rungs, result }) =>
        definition === undefined
          ? []
          : [
              {
                ...definition,
                claims: claims.map((claim, i) => ({ ...claim, release: releases[i] })),
                rungs: [...rungs],
                result,
              },
            ],
      )
      .sort((a, b) => a.number - b.number);
  }

  async #read(name: string): Promise<void> {
    const [, digits, kind, count] = ENTRY.exec(name) ?? [];
    if (digits === undefined) return;
    const path = join(this.#folder, name);
    const number = Number(digits);
    const entry = this.#entries.get(number) ?? { claims: [], releases: [], rungs: [] };
    this.#entries.set(number, entry);
    if (kind === 'trial') entry.definition = await readEntry(path, trialSchema);
    if (kind === 'claim')
      entry.claims[Number(count) - 1] = { ...(await readEntry(path, claimSchema)), path, release: undefined };
    if (kind === 'release') entry.releases[Number(count) - 1] = await readEntry(path, releaseSchema);
    if (kind === 'rung') entry.rungs[Number(count) - 1] = (await readEntry(path, rungSchema)).value;
    if (kind === 'result') entry.result = await readEntry(path, resultSchema);
  }
}

/** Opens the journal of an existing study. */
export async function openJournal(study: string): Promise<Journal> {
  const folder = join(study, JOURNAL);
  const reader = new EntryReader(folder);
  const write = (name: string, content: object): Promise<boolean> =>
    createFileAtomic(join(folder, name), `${JSON.stringify(content)}\n`);

  await reader.refresh();
  return {
    refresh: () => reader.refresh(),
    get trials() {
      return reader.trials;
    },
    begin: (number, point) =>
      write(entryName(number, 'trial'), {
        number,
        point,
        createdAt: new Date(wallClockMs()).toISOString(),
      } satisfies z.input<typeof trialSchema>),
    async claim({ number, claims }) {
      const name = entryName(number, 'claim', claims.length + 1);
      const owner = thisProcess();
      return (await write(name, { owner } satisfies z.input<typeof claimSchema>))
        ? { owner, path: join(folder, name), release: undefined }
        : undefined;
    },
    async release({ number, claims }, reason) {
      const numReleases = claims.filter(({ release }) => release !== undefined).length;
      const release = createRelease(reason, numReleases, wallClockMs());
      await write(entryName(number, 'release', claims.length), release satisfies z.input<typeof releaseSchema>);
    },
    async reach(number, rung, record) {
      await write(entryName(number, 'rung', rung + 1), record);
    },
    end: (number, result) => write(entryName(number, 'result'), result),
  };
}

async function readEntry<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
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
