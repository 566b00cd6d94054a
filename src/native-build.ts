import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { wallClockMs } from './clock.js';
import { userCache } from './user-cache.js';

// Builds addons in C with the machine's own compiler, once a machine: what was built is kept in the user's cache, by a name that
// tells what it was built of.

const LINKING: Partial<Record<NodeJS.Platform, readonly string[]>> = { linux: ['-shared'], darwin: ['-shared', '-undefined', 'dynamic_lookup'] };
/** Nothing is fused but what the source fuses, since sums have to have the bits of WebAssembly's. */
const FLAGS = ['-std=gnu11', '-O3', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off', '-fno-math-errno'];
/** What cannot be built is tried again after a day: whoever lacked a header may have it by then. */
const FAILED_MS = 24 * 3600 * 1000;
const BUILD_MS = 120_000;

/** Where an addon lies, and whether it was built just now; or why there is none. */
export type Built = { readonly path: string; readonly isNew: boolean } | { readonly reason: string };

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
  /** The folder to keep it in: in the user's cache where it is left out. */
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
 * An addon of this machine; it is built where it is not there yet. Processes that build it at once each end with a whole one.
 * @param build makes it
 */
export function buildOnce({ name, sources, compiler, flags = [], recipe, folder = defaultFolder(), isInsistent = false }: AddonRecipe, build: (compiler: Compiler) => void): Built {
  const linking = LINKING[process.platform];
  if (linking === undefined) return { reason: `there are none for ${process.platform} on ${process.arch}` };
  if (folder === undefined) return { reason: 'there is no folder to keep them in: this user has no home' };
  try {
    const all = [...FLAGS, ...flags];
    const path = join(folder, `${name}-${process.platform}-${process.arch}-${keyOf(sources, [recipe, linking, all])}.node`);
    if (existsSync(path)) return { path, isNew: false };
    const failed = `${path}.failed`;
    if (!isInsistent && existsSync(failed) && wallClockMs() - statSync(failed).mtimeMs < FAILED_MS) return { reason: readFileSync(failed, 'utf8') };
    mkdirSync(folder, { recursive: true });
    const scratch = mkdtempSync(join(folder, 'building-'));
    try {
      // Most starts find what was built before.
      const { execFileSync } = process.getBuiltinModule('node:child_process');
      const compile = (...args: readonly string[]): unknown => execFileSync(compiler, [...all, ...args], { cwd: scratch, stdio: 'pipe', timeout: BUILD_MS });
      build({
        compile: (...args) => void compile(...args),
        link: (...inputs) => void compile('-I', headers(), ...inputs, ...linking, '-o', 'built.node'),
        source: (file) => join(sources, file),
      });
      renameSync(join(scratch, 'built.node'), path);
    } catch (error) {
      const reason = reasonOf(error, compiler);
      if (!isMissing(error)) writeFileSync(failed, reason);
      return { reason };
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    return { path, isNew: true };
  } catch (error) {
    return { reason: reasonOf(error, compiler) };
  }
}

function defaultFolder(): string | undefined {
  const cache = userCache();
  return cache === undefined ? undefined : join(cache, 'mtl', 'native');
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

function isMissing(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' && syscall?.startsWith('spawn') === true;
}

function reasonOf(error: unknown, compiler: string): string {
  const { stderr, message } = error as Error & { readonly stderr?: Buffer };
  if (isMissing(error)) return `there is no C compiler ('${compiler}')`;
  const said = stderr?.toString().split('\n').find((line) => line.includes('error'));
  return said ?? message;
}
