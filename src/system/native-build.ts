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
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { wallClockMs } from './clock.js';
import { systemCode } from '../core/errors.js';
import { userCache } from './user-cache.js';

// Builds addons in C with the machine's own compiler, once a machine: what was built is kept in the user's cache, or,
// if that
// cannot be written, in the system's temporary folder, by a name that tells what it was built of.

const LINKING: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['-shared'],
  darwin: ['-shared', '-undefined', 'dynamic_lookup'],
};
/** Nothing is fused but what the source fuses, since sums have to have the bits of WebAssembly's. */
const FLAGS = ['-std=gnu11', '-O3', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off', '-fno-math-errno'];
/** What cannot be built is tried again after a day: whoever lacked a header may have it by then. */
const FAILED_MS = 24 * 3600 * 1000;
const BUILD_MS = 120_000;
/** What the linker makes. */
const BUILT = 'built.node';
const INSTALL = 'install a C compiler, gcc or clang';
const REPAIR = 'install a C compiler that builds them, gcc or clang, or name it with CC';

/** Why there is no addon, and what to do where something can be done. */
export interface NotBuilt {
  readonly reason: string;
  readonly fix?: string;
}

/** Where an addon lies, and whether it was built just now; or why there is none. */
export type Built = { readonly path: string; readonly isNew: boolean } | NotBuilt;

/** What an addon is made of. */
export interface AddonRecipe {
  readonly name: string;
  /** The folder of its sources. */
  readonly sources: string;
  /** The program, and what else of it decides what comes out. */
  readonly compiler: string;
  readonly flags?: readonly string[];
  /** All else that goes into it. */
  readonly recipe?: unknown;
  /** The folder to keep it in; default: one in the user's cache, else a private one in the temporary folder. */
  readonly folder?: string | undefined;
  /** Whether it is tried again where it failed today. */
  readonly isInsistent?: boolean;
}

/** Runs the compiler in a folder of its own; `link` takes what makes objects and sources an addon of Node's. */
export interface Compiler {
  compile(...args: readonly string[]): void;
  link(...inputs: readonly string[]): void;
  /** The path of a source. */
  source(name: string): string;
}

/**
 * An addon of this machine; it is built where it is not there yet. Processes that build it at once each end with a
 * whole one.
 * @param build makes it
 */
export function buildOnce(addon: AddonRecipe, build: (compiler: Compiler) => void): Built {
  const linking = LINKING[process.platform];
  if (linking === undefined) return { reason: `there are none for ${process.platform} on ${process.arch}` };
  const { name, sources, compiler, flags = [], recipe, folder } = addon;
  const all = [...FLAGS, ...flags];
  const compileIn = (scratch: string): void => {
    // Most starts find what was built before.
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    const options = { cwd: scratch, stdio: 'pipe', timeout: BUILD_MS } as const;
    const compile = (...args: readonly string[]): unknown => execFileSync(compiler, [...all, ...args], options);
    build({
      compile: (...args) => void compile(...args),
      link: (...inputs) => void compile('-I', headers(), ...inputs, ...linking, '-o', BUILT),
      source: (file) => join(sources, file),
    });
  };
  try {
    const file = `${name}-${process.platform}-${process.arch}-${keyOf(sources, [recipe, linking, all])}.node`;
    const refused: string[] = [];
    for (const place of folder === undefined ? places() : [{ folder, isShared: false }]) {
      const built = builtIn(place, file, addon, compileIn);
      if (!('refused' in built)) return built;
      refused.push(built.refused);
    }
    const reason = `no folder to keep them in can be written: ${refused.join(', ')}`;
    return { reason, fix: 'name one that can be written with XDG_CACHE_HOME' };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

interface Place {
  readonly folder: string;
  /** Whether the folder above is made in one that all users share. */
  readonly isShared: boolean;
}

/** Where addons may be kept, the first choice first. */
function places(): readonly Place[] {
  const cache = userCache();
  const own = cache === undefined ? [] : [{ folder: join(cache, 'mtl', 'native'), isShared: false }];
  return [...own, { folder: join(tmpdir(), `mtl-${process.getuid?.() ?? 'user'}`, 'native'), isShared: true }];
}

/** The addon in a folder, where it is or is built; or the folder and why it cannot be used. */
function builtIn(
  { folder, isShared }: Place,
  file: string,
  { compiler, isInsistent = false }: AddonRecipe,
  compileIn: (scratch: string) => void,
): Built | { readonly refused: string } {
  let scratch: string;
  const path = join(folder, file);
  try {
    if (isShared) makePrivate(dirname(folder));
    if (existsSync(path)) return { path, isNew: false };
    mkdirSync(folder, { recursive: true });
    scratch = mkdtempSync(join(folder, 'building-'));
  } catch (error) {
    return { refused: `${folder} (${systemCode(error) ?? (error as Error).message})` };
  }
  const failed = `${path}.failed`;
  try {
    const hasFailed = existsSync(failed) && wallClockMs() - statSync(failed).mtimeMs < FAILED_MS;
    if (hasFailed && !isInsistent) return { reason: readFileSync(failed, 'utf8'), fix: REPAIR };
    compileIn(scratch);
    renameSync(join(scratch, BUILT), path);
    return { path, isNew: true };
  } catch (error) {
    const { isMissing, reason } = programProblem(error, compiler);
    if (isMissing) return { reason: `there is no C compiler ('${compiler}')`, fix: INSTALL };
    writeFileSync(failed, reason);
    return { reason, fix: REPAIR };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Makes a folder that no other user may write, since what lies in it is loaded.
 * @throws Error where there is one of another kind
 */
function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  const found = lstatSync(folder);
  const isPrivate = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  if (!isPrivate) throw new Error(`other users may write ${folder}`);
}

/** Names what is built: by all that goes into it. */
function keyOf(sources: string, recipe: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(recipe));
  for (const name of readdirSync(sources).sort()) hash.update(`\0${name}\0`).update(readFileSync(join(sources, name)));
  return hash.digest('hex').slice(0, 16);
}

/** The folder of Node's headers. */
function headers(): string {
  return join(dirname(createRequire(import.meta.url).resolve('node-api-headers')), 'include');
}

/** What a program prints, or why it prints nothing. */
export type Answer = { readonly output: string } | ProgramProblem;

/** Why a program did not do its work. */
export interface ProgramProblem {
  readonly isMissing: boolean;
  readonly reason: string;
}

/** Runs a program to its end. */
export function askProgram(program: string, ...args: readonly string[]): Answer {
  try {
    // A process that needs no addon never asks.
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    return { output: execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }) };
  } catch (error) {
    return programProblem(error, program);
  }
}

interface FailedProcess extends NodeJS.ErrnoException {
  readonly stderr?: Buffer | string | null;
  readonly status?: number | null;
}

function programProblem(error: unknown, program: string): ProgramProblem {
  const { code, syscall, stderr, status } = error as FailedProcess;
  if (syscall?.startsWith('spawn') === true) {
    const why = code === 'ETIMEDOUT' ? `did not end within ${BUILD_MS / 1000} s` : `cannot be started (${code})`;
    const isMissing = code === 'ENOENT';
    return { isMissing, reason: isMissing ? `there is no ${program}` : `'${program}' ${why}` };
  }
  const lines = (stderr ?? '')
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '');
  const message = error instanceof Error ? error.message : String(error);
  const fallback = typeof status === 'number' ? `'${program}' ended with exit code ${status}` : message;
  return { isMissing: false, reason: lines.find((line) => line.includes('error')) ?? lines[0] ?? fallback };
}
