import { constants, existsSync } from 'node:fs';
import { access, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { systemCode, userError } from '../core/errors.js';
import { makeFolder, onDisk, pointLink, syncFolder } from '../io/disk.js';
import { linkTarget, runsRoot, shownPath } from './runs-root.js';

/** Which folder a run asks for. */
export interface RunPlace {
  /** The config's name: the folder of its runs. */
  readonly configName: string;
  /** Where the config wants all runs. */
  readonly runs?: string | undefined;
  /** A name in place of the next number. */
  readonly name?: string | undefined;
  /** The very folder. */
  readonly runDir?: string | undefined;
}

/** The link to the newest run. */
export const LATEST = 'latest';
/** The directory of all studies. */
export const STUDIES = 'studies';
/** The directory of links that `mtl promote` moves. */
export const CHANNELS = 'channels';
/** Names that no config may have, because `runs` holds something else under them. */
const RESERVED: Readonly<Record<string, string>> = {
  [LATEST]: 'the link to the newest run',
  [STUDIES]: 'the directory of studies',
  [CHANNELS]: 'the directory of channels',
};
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Others may take a folder away while it is made in. */
const TRIES = 3;

/**
 * Makes the folder of a new run: `runs/<config>/<NNN>`, `runs/<config>/<name>` or the very one that is asked for.
 * @returns its path, relative to the working directory where it lies below
 * @throws UserError (usage) if it exists already or the name is none; (disk) if it cannot be made
 */
export async function createRunFolder(place: RunPlace): Promise<string> {
  const { configName, name, runDir, runs } = place;
  refuseReserved(configName);
  if (name !== undefined && !NAME.test(name)) {
    throw userError('usage', {
      where: `--name ${name}`,
      message: 'expected a folder name: letters, digits, dots, - and _',
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
      message: 'expected a folder for this run alone',
      fix: 'write --run-dir runs/mine',
    });
  }
  const asked = namedFolder(place);
  const path = asked === undefined ? await nextNumbered(runsFolder(place)) : await make(asked);
  if (path === undefined) {
    const option = runDir === undefined ? `--name ${name}` : `--run-dir ${runDir}`;
    throw userError('usage', {
      where: option,
      message: `${asked} exists already`,
      fix: 'choose another, or go on with it by --resume; a new run never writes into an old one',
    });
  }
  return path;
}

function refuseReserved(configName: string): void {
  if (!Object.hasOwn(RESERVED, configName)) return;
  throw userError('config', {
    key: 'name',
    message: `'${configName}' is ${RESERVED[configName]}`,
    fix: 'rename the config',
  });
}

/**
 * Checks, without writing, whether `createRunFolder` can make the next folder of a config's runs.
 * @throws UserError as that does
 */
export async function checkRunFolder(place: Pick<RunPlace, 'configName' | 'runs'>): Promise<void> {
  refuseReserved(place.configName);
  const path = await nextPath(runsFolder(place));
  let there = dirname(resolve(path));
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  await onDisk(path, async () => {
    // It fails where a file is in the way.
    await readdir(there);
    await access(there, constants.W_OK | constants.X_OK);
  });
}

/** The folder of a config's runs. */
export function runsFolder({ configName, runs }: RunPlace): string {
  return shownPath(join(runsRoot(runs), configName));
}

/** The folder that is asked for by name; undefined for the next number. */
export function namedFolder(place: RunPlace): string | undefined {
  return place.runDir ?? (place.name === undefined ? undefined : join(runsFolder(place), place.name));
}

/** The next free number, even if other runs start at the same moment. */
async function nextNumbered(parent: string): Promise<string> {
  for (;;) {
    const path = await make(await nextPath(parent));
    if (path !== undefined) return path;
  }
}

/** The path of the next number. */
async function nextPath(parent: string): Promise<string> {
  const names = existsSync(parent) ? await onDisk(parent, () => readdir(parent)) : [];
  const last = Math.max(0, ...names.filter((entry) => /^\d+$/.test(entry)).map(Number));
  return join(parent, String(last + 1).padStart(3, '0'));
}

/** Makes a folder that must be new; undefined if it is there. */
async function make(path: string): Promise<string | undefined> {
  return onDisk(path, async () => {
    for (let attempt = 1; ; attempt++) {
      await makeFolder(dirname(path));
      try {
        await mkdir(path);
        await syncFolder(dirname(path));
        return path;
      } catch (error) {
        if (systemCode(error) === 'EEXIST') return undefined;
        if (systemCode(error) !== 'ENOENT' || attempt === TRIES) throw error;
      }
    }
  });
}

/**
 * Takes the folder of a run away, and those above it that are left empty, up to where all runs are; what cannot be
 * removed stays.
 */
export async function removeRunFolder(path: string, root: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
  for (let above = dirname(resolve(path)); `${above}${sep}`.startsWith(`${root}${sep}`); above = dirname(above)) {
    // One that holds something else refuses.
    if (
      !(await rmdir(above).then(
        () => true,
        () => false,
      ))
    )
      return;
  }
}

/** Points `runs/latest` at a run, where it lies below `runs`. */
export async function pointLatest(path: string, root: string): Promise<void> {
  const target = relative(root, resolve(path));
  if (target.startsWith('..') || target.startsWith(sep)) return;
  await pointLink(join(root, LATEST), target);
}

/** What is wrong with the path of a run where nothing is: a link that leads nowhere says where it led. */
export function missingRun(path: string): { readonly message: string; readonly fix?: string } {
  for (let part = path; dirname(part) !== part; part = dirname(part)) {
    const target = linkTarget(part);
    if (target !== undefined && !existsSync(part))
      return {
        message: `${part === path ? '' : `${part} `}points to ${target}, which is gone`,
        fix: 'name another run; mtl runs lists those that there are',
      };
  }
  return { message: 'there is no such folder' };
}
