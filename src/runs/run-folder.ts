import { constants, existsSync } from 'node:fs';
import { access, mkdir, readdir, rmdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { systemCode, userError } from '../core/errors.js';
import { remove } from '../io/busy.js';
import { makeFolder, onDisk, syncFolder } from '../io/disk.js';
import { followLinks, linkTarget, pointLink } from '../io/links.js';
import { withSlashes } from '../io/slashes.js';
import { runsRoot, shownPath } from './runs-root.js';
import { MTL } from '../system/command-name.js';

/** Location of a run. */
export interface RunLocation {
  /** Also the name of the directory of its runs. */
  readonly configName: string;
  /** The config's directory of all runs. */
  readonly runs?: string | undefined;
  /** A name in place of the next number. */
  readonly name?: string | undefined;
  readonly runDir?: string | undefined;
}

/** Link to the newest run. */
export const LATEST = 'latest';
/** Directory of all studies. */
export const STUDIES = 'studies';
/** Directory of links that `mtl promote` moves. */
export const CHANNELS = 'channels';
/** Config names that `runs` uses for something else. */
const RESERVED: Readonly<Record<string, string>> = {
  [LATEST]: 'the link to the newest run',
  [STUDIES]: 'the directory of studies',
  [CHANNELS]: 'the directory of channels',
};
/** Windows drops a dot at the end of a name. */
const NAME = /^(?!.*\.$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Another process may remove a parent directory concurrently. */
const MAX_ATTEMPTS = 3;

/**
 * Creates the directory of a new run: `runs/<config>/<NNN>`, `runs/<config>/<name>` or `runDir`.
 * @returns its path, relative to the working directory if it is below, with `/`
 * @throws UserError (usage) if it exists or its name is invalid; (disk) if it cannot be created
 */
export async function createRunFolder(location: RunLocation): Promise<string> {
  const { configName, name, runDir, runs } = location;
  assertNotReserved(configName);
  if (name !== undefined && !NAME.test(name)) {
    throw userError('usage', {
      where: `--name ${name}`,
      message: 'invalid run name; expected at most 100 letters, digits, dots, - and _, and no dot at the end',
    });
  }
  const root = runsRoot(runs);
  if (
    runDir !== undefined &&
    ([root, join(root, LATEST), resolve('.')].includes(resolve(runDir)) ||
      `${resolve(runDir)}${sep}`.startsWith(`${join(root, CHANNELS)}${sep}`))
  ) {
    throw userError('usage', {
      where: `--run-dir ${runDir}`,
      message: 'expected a directory for this run alone',
      fix: 'use --run-dir runs/mine',
    });
  }
  const requested = namedFolder(location);
  const path = requested === undefined ? await createNextFolder(runsFolder(location)) : await createFolder(requested);
  if (path === undefined) {
    const option = runDir === undefined ? `--name ${name}` : `--run-dir ${runDir}`;
    throw userError('usage', {
      where: option,
      message: `${requested} already exists`,
      fix: 'choose another name, or resume it with --resume',
    });
  }
  return withSlashes(path);
}

function assertNotReserved(configName: string): void {
  if (!Object.hasOwn(RESERVED, configName)) return;
  throw userError('config', {
    key: 'name',
    message: `'${configName}' is reserved for ${RESERVED[configName]}`,
    fix: 'rename the config',
  });
}

/**
 * Checks, without writing, whether `createRunFolder` can create the next run of a config.
 * @throws UserError as `createRunFolder` does
 */
export async function checkRunFolder(location: Pick<RunLocation, 'configName' | 'runs'>): Promise<void> {
  assertNotReserved(location.configName);
  const path = await findNextPath(runsFolder(location));
  let existing = dirname(resolve(path));
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  await onDisk(path, async () => {
    // Fails if a file is in the way.
    await readdir(existing);
    await access(existing, constants.W_OK | constants.X_OK);
  });
}

/** Returns the directory of a config's runs. */
export function runsFolder({ configName, runs }: RunLocation): string {
  return shownPath(join(runsRoot(runs), configName));
}

/** Returns the directory of a named run; undefined for the next number. */
export function namedFolder(location: RunLocation): string | undefined {
  return location.runDir ?? (location.name === undefined ? undefined : join(runsFolder(location), location.name));
}

/** Retries with the next number if another run takes one concurrently. */
async function createNextFolder(parent: string): Promise<string> {
  for (;;) {
    const path = await createFolder(await findNextPath(parent));
    if (path !== undefined) return path;
  }
}

async function findNextPath(parent: string): Promise<string> {
  const names = existsSync(parent) ? await onDisk(parent, () => readdir(parent)) : [];
  const last = Math.max(0, ...names.filter((entry) => /^\d+$/.test(entry)).map(Number));
  return join(parent, String(last + 1).padStart(3, '0'));
}

/** Creates a directory; returns undefined if it already exists. */
async function createFolder(path: string): Promise<string | undefined> {
  return onDisk(path, async () => {
    for (let attempt = 1; ; attempt++) {
      await makeFolder(dirname(path));
      try {
        await mkdir(path);
        await syncFolder(dirname(path));
        return path;
      } catch (error) {
        if (systemCode(error) === 'EEXIST') return undefined;
        if (systemCode(error) !== 'ENOENT' || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  });
}

/** Removes the directory of a run and its empty parent directories below `root`; ignores failures. */
export async function removeRunFolder(path: string, root: string): Promise<void> {
  await remove(path).catch(() => undefined);
  for (let parent = dirname(resolve(path)); `${parent}${sep}`.startsWith(`${root}${sep}`); parent = dirname(parent)) {
    // Fails if the directory is not empty.
    if (
      !(await rmdir(parent).then(
        () => true,
        () => false,
      ))
    )
      return;
  }
}

/** Points `runs/latest` at a run, if the run is below `root`. */
export async function pointLatest(path: string, root: string): Promise<void> {
  const target = relative(root, resolve(path));
  if (target.startsWith('..') || isAbsolute(target)) return;
  await pointLink(join(root, LATEST), target);
}

/** Describes a missing run; names the dangling link if one is on the path. */
export function missingRun(path: string): { readonly message: string; readonly fix?: string } {
  for (let part = path; dirname(part) !== part; part = dirname(part)) {
    const target = linkTarget(part);
    if (target !== undefined && !existsSync(followLinks(part)))
      return {
        message: `${part === path ? 'the link' : part} points to ${target}, which does not exist`,
        fix: `name another run, from ${MTL} runs`,
      };
  }
  return { message: 'no such directory' };
}
