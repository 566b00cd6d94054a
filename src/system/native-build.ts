import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wallClockMs } from './clock.js';
import { systemCode } from '../core/errors.js';
import { hasExited, ownerSchema, thisProcess } from './owner.js';
import { ProgramError, runPrograms, type FailedRun } from './programs.js';
import { userCache } from './user-cache.js';

// Builds C addons with the machine's compiler, once per machine. Addons are stored in the user's cache, or if that is
// not writable, in the system's temporary directory, under a name derived from their inputs.

/** Linker options of an addon by system. */
export const LINKING: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['-shared'],
  darwin: ['-shared', '-undefined', 'dynamic_lookup'],
};
/**
 * Compiler options of every addon. No implicit fusing, since sums must be bitwise identical to WebAssembly's. Nothing
 * reads the processor's record of floating-point exceptions, for which GCC does not vectorize conditions.
 */
export const FLAGS = [
  ...['-std=gnu11', '-O3', '-fPIC', '-fvisibility=hidden'],
  ...['-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'],
];
/** Failed builds are retried after a day, for example after a header was installed. */
const FAILED_MS = 24 * 3600 * 1000;
/** Limit of a build. One in the background competes with the processes of the user. */
const BUILD_MS = { foreground: 120_000, background: 1_800_000 };
/** Age after which the lock or the scratch directory of a build is stale, whichever machine it runs on. */
const ABANDONED_MS = 2 * BUILD_MS.background;
/** Time in which a process writes its lock. */
const LOCKING_MS = 10_000;
/** Prefix of scratch directories. */
const SCRATCH = 'building-';
/** Output name of the linker. */
const BUILT = 'built.node';
const INSTALL = 'install a C compiler, gcc or clang';
const REPAIR = 'install a working C compiler, gcc or clang, or set CC';
const RETRY = 'run the command again';
const PENDING: NotBuilt = {
  reason: 'they are being compiled in the background',
  fix: 'run the command again in a minute',
  isPending: true,
};
/** Messages of gcc, clang and linkers about a process that was killed, and about memory and disks that are full. */
const INTERRUPTED = /\bKilled\b|\bTerminated\b|out of memory|memory exhausted|allocate memory|No space left/i;

/** Why there is no addon, and the fix, if any. */
export interface NotBuilt {
  readonly reason: string;
  readonly fix?: string;
  /** Whether a process builds it in the background. */
  readonly isPending?: boolean;
}

/** Path of an addon and whether it was just built, or why there is none. */
export type Built = { readonly path: string; readonly isNew: boolean } | NotBuilt;

/** Inputs of an addon. */
export interface AddonRecipe {
  readonly name: string;
  /** Directory of the sources. */
  readonly sources: string;
  readonly compiler: string;
  readonly flags?: readonly string[];
  readonly recipe?: unknown;
  /** Target directory; default: one in the user's cache, else a private one in the temporary directory. */
  readonly folder?: string | undefined;
  /** Retries a build that failed less than a day ago. */
  readonly isInsistent?: boolean;
  /** Called before the compiler runs. */
  readonly onBuild?: () => void;
  /** Starts a process that builds with `isBackground`, instead of building here. */
  readonly startBuild?: () => void;
  /** Builds only if no other process does with this option. */
  readonly isBackground?: boolean;
}

/** Runs the compiler in a scratch directory; `link` links objects and sources to a Node addon. */
export interface Compiler {
  /** Runs the compiler once per list of arguments, as many at once as there are cores. */
  compile(argLists: readonly (readonly string[])[]): void;
  link(...inputs: readonly string[]): void;
  /** Returns the path of a source. */
  source(name: string): string;
}

/**
 * Returns the addon for this machine, and builds it if necessary. Concurrent builds are safe.
 * @param build compiles and links it
 */
export function buildOnce(addon: AddonRecipe, build: (compiler: Compiler) => void): Built {
  const linking = LINKING[process.platform];
  if (linking === undefined) return { reason: `not available for ${process.platform} on ${process.arch}` };
  const { name, sources, compiler, flags = [], recipe, folder, isBackground = false } = addon;
  const all = [...FLAGS, ...flags];
  const compileIn = (scratch: string): void => {
    const compile = (argLists: readonly (readonly string[])[]): void =>
      runPrograms({
        program: compiler,
        argLists: argLists.map((args) => [...all, ...args]),
        cwd: scratch,
        timeoutMs: isBackground ? BUILD_MS.background : BUILD_MS.foreground,
      });
    build({
      compile,
      link: (...inputs) => compile([['-I', nodeHeaders(), ...inputs, ...linking, '-o', BUILT]]),
      source: (file) => join(sources, file),
    });
  };
  try {
    const file = `${name}-${process.platform}-${process.arch}-${hashSources(sources, [recipe, linking, all])}.node`;
    const refused: string[] = [];
    for (const candidate of folder === undefined ? candidateFolders() : [{ folder, isShared: false }]) {
      const built = builtIn(candidate, file, addon, compileIn);
      if (!('refused' in built)) return built;
      refused.push(built.refused);
    }
    const reason = `no writable directory to build them in: ${refused.join(', ')}`;
    return { reason, fix: 'set XDG_CACHE_HOME to a writable directory' };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

interface Place {
  readonly folder: string;
  /** Whether the parent directory is created in one that all users share. */
  readonly isShared: boolean;
}

/** Returns the candidate directories in order of preference. */
function candidateFolders(): readonly Place[] {
  const cache = userCache();
  const own = cache === undefined ? [] : [{ folder: join(cache, 'mtl', 'native'), isShared: false }];
  return [...own, { folder: join(tmpdir(), `mtl-${process.getuid?.() ?? 'user'}`, 'native'), isShared: true }];
}

/** Finds or builds the addon in a directory; otherwise returns why it cannot be used. */
function builtIn(
  { folder, isShared }: Place,
  file: string,
  addon: AddonRecipe,
  compileIn: (scratch: string) => void,
): Built | { readonly refused: string } {
  let scratch: string;
  const path = join(folder, file);
  try {
    if (isShared) makePrivate(dirname(folder));
    if (existsSync(path)) return { path, isNew: false };
    mkdirSync(folder, { recursive: true });
    removeAbandoned(folder);
    scratch = mkdtempSync(join(folder, SCRATCH));
  } catch (error) {
    return { refused: `${folder} (${systemCode(error) ?? (error as Error).message})` };
  }
  try {
    return addon.isBackground === true
      ? buildLocked(path, scratch, addon, compileIn)
      : buildIn(path, scratch, addon, compileIn);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Builds the addon in a scratch directory, unless a build failed recently or another process is to build it. */
function buildIn(
  path: string,
  scratch: string,
  { compiler, isInsistent = false, startBuild, onBuild }: AddonRecipe,
  compileIn: (scratch: string) => void,
): Built {
  const failed = `${path}.failed`;
  const hasFailed = existsSync(failed) && !isOlder(failed, FAILED_MS);
  if (hasFailed && !isInsistent) return { reason: readFileSync(failed, 'utf8'), fix: REPAIR };
  if (startBuild !== undefined) {
    const version = askProgram(compiler, '--version');
    if ('reason' in version && version.isMissing) return withoutCompiler(compiler);
    if (!isLocked(lockOf(path))) startBuild();
    return PENDING;
  }
  onBuild?.();
  try {
    compileIn(scratch);
    renameSync(join(scratch, BUILT), path);
    rmSync(failed, { force: true });
    return { path, isNew: true };
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const { isMissing, reason } = programProblem(error.run, compiler);
    if (isMissing) return withoutCompiler(compiler);
    if (!isCompilerFailure(error)) return { reason, fix: RETRY };
    writeFileSync(failed, reason);
    return { reason, fix: REPAIR };
  }
}

/** Builds the addon, unless another process does in the background. */
function buildLocked(...build: Parameters<typeof buildIn>): Built {
  const lock = lockOf(build[0]);
  if (isLocked(lock)) return PENDING;
  rmSync(lock, { force: true });
  try {
    writeFileSync(lock, JSON.stringify(thisProcess()), { flag: 'wx' });
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return PENDING;
    throw error;
  }
  try {
    return buildIn(...build);
  } finally {
    rmSync(lock, { force: true });
  }
}

const lockOf = (path: string): string => `${path}.lock`;

/** Returns whether a process holds the lock of a build in the background. */
function isLocked(lock: string): boolean {
  if (isOlder(lock, ABANDONED_MS)) return false;
  try {
    return hasExited(ownerSchema.parse(JSON.parse(readFileSync(lock, 'utf8')))) !== true;
  } catch {
    // A lock without its content is being written, or its process was killed meanwhile.
    return existsSync(lock) && !isOlder(lock, LOCKING_MS);
  }
}

/** Removes the scratch directories of builds that were killed. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name.startsWith(SCRATCH) && isOlder(path, ABANDONED_MS)) rmSync(path, { recursive: true, force: true });
  }
}

/** Returns whether a file was modified longer ago; false if it does not exist. */
function isOlder(path: string, ms: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && wallClockMs() - found.mtimeMs > ms;
}

const withoutCompiler = (compiler: string): NotBuilt => ({
  reason: `no C compiler was found ('${compiler}')`,
  fix: INSTALL,
});

/**
 * Creates a directory that no other user can write to, since its content is loaded as code.
 * @throws Error if an existing one is not private
 */
function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  const found = lstatSync(folder);
  const isPrivate = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  if (!isPrivate) throw new Error(`other users can write to ${folder}`);
}

/** Hashes the files of a directory and other inputs of a build; returns 16 hexadecimal digits. */
export function hashSources(sources: string, recipe: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(recipe));
  for (const name of readdirSync(sources).sort()) hash.update(`\0${name}\0`).update(readFileSync(join(sources, name)));
  return hash.digest('hex').slice(0, 16);
}

/** Returns the directory of the headers of Node's C interface; the relative path is the same from src and dist. */
export function nodeHeaders(): string {
  return fileURLToPath(new URL('../../dist/node-api', import.meta.url));
}

/** Output of a program, or why there is none. */
export type Answer = { readonly output: string } | ProgramProblem;

/** Why a program failed. */
export interface ProgramProblem {
  readonly isMissing: boolean;
  readonly reason: string;
}

/** Runs a program and returns its output. */
export function askProgram(program: string, ...args: readonly string[]): Answer {
  // Loaded lazily: a process without addons does not need it.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return { output: stdout };
  const code = systemCode(error);
  return programProblem(code === undefined ? { status, signal, stderr } : { code, stderr: '' }, program);
}

/**
 * Returns whether the compiler itself rejected its input, so that another attempt would fail too. It did not if it was
 * killed, or if memory or the disk was full.
 */
export function isCompilerFailure(error: unknown): boolean {
  if (!(error instanceof ProgramError)) return false;
  const { status, code, stderr } = error.run;
  return code === 'ETIMEDOUT' || code === 'EACCES' || (status != null && !INTERRUPTED.test(stderr));
}

function programProblem({ code, status, signal, stderr }: FailedRun, program: string): ProgramProblem {
  if (code !== undefined) {
    const why = code === 'ETIMEDOUT' ? `timed out` : `cannot be started (${code})`;
    const isMissing = code === 'ENOENT';
    return { isMissing, reason: isMissing ? `${program} was not found` : `'${program}' ${why}` };
  }
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const end = signal == null ? `failed with exit code ${status}` : `was ended by ${signal}`;
  const reason = lines.find((line) => line.includes('error')) ?? lines[0] ?? `'${program}' ${end}`;
  return { isMissing: false, reason };
}
