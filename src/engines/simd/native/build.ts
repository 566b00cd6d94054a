import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wallClockMs } from '../../../clock.js';
import { userCache } from '../../../user-cache.js';

// Builds the kernels in C with the machine's own compiler, once a machine: what was built is kept in the user's cache, by a name
// that tells what it was built of.

/** The sources as they are shipped: as far from this file as from what is built of it. */
const SOURCES = fileURLToPath(new URL('../../../../dist/native', import.meta.url));

/** By architecture: families of processors, each with an object of its own, and how it is compiled. */
export const FAMILIES: Partial<Record<NodeJS.Architecture, Readonly<Record<string, readonly string[]>>>> = {
  x64: { avx512: ['-mavx512f', '-mavx512dq', '-mfma'], avx2: ['-mavx2', '-mfma'] },
  arm64: { neon: [] },
};
const LINKING: Partial<Record<NodeJS.Platform, readonly string[]>> = { linux: ['-shared'], darwin: ['-shared', '-undefined', 'dynamic_lookup'] };
/** Nothing is fused but what the source fuses, since sums have to have the bits of WebAssembly's. */
const FLAGS = ['-std=gnu11', '-O3', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off'];
/** What cannot be built is tried again after a day: whoever lacked a header may have it by then. */
const FAILED_MS = 24 * 3600 * 1000;
const BUILD_MS = 120_000;

/** Where the addon lies, and whether it was built just now; or why there is none. */
export type Built = { readonly path: string; readonly isNew: boolean } | { readonly reason: string };

/** How to build. */
export interface BuildOptions {
  /** The folder to keep it in: in the user's cache where it is left out. */
  readonly folder?: string;
  readonly compiler?: string;
  /** More flags, of another build than that of others. */
  readonly flags?: readonly string[];
  /** Whether it is tried again where it failed today. */
  readonly isInsistent?: boolean;
}

/** The addon of this machine; it is built where it is not there yet. Processes that build it at once each end with a whole one. */
export function buildAddon({ folder = defaultFolder(), compiler = process.env['CC'] ?? 'cc', flags = [], isInsistent = false }: BuildOptions = {}): Built {
  const families = FAMILIES[process.arch];
  const linking = LINKING[process.platform];
  if (families === undefined || linking === undefined) return { reason: `there are none for ${process.platform} on ${process.arch}` };
  if (folder === undefined) return { reason: 'there is no folder to keep them in: this user has no home' };
  try {
    const all = [...FLAGS, ...flags];
    const path = join(folder, `kernels-${process.platform}-${process.arch}-${keyOf([families, linking, all])}.node`);
    if (existsSync(path)) return { path, isNew: false };
    const failed = `${path}.failed`;
    if (!isInsistent && existsSync(failed) && wallClockMs() - statSync(failed).mtimeMs < FAILED_MS) return { reason: readFileSync(failed, 'utf8') };
    mkdirSync(folder, { recursive: true });
    const scratch = mkdtempSync(join(folder, 'building-'));
    try {
      const compile = (...args: readonly string[]): unknown => execFileSync(compiler, [...all, ...args], { cwd: scratch, stdio: 'pipe', timeout: BUILD_MS });
      const source = (name: string): string => join(SOURCES, name);
      for (const [family, of] of Object.entries(families)) compile(...of, '-c', source('products.c'), '-o', `${family}.o`);
      compile('-I', headers(), source('addon.c'), ...Object.keys(families).map((family) => `${family}.o`), ...linking, '-o', 'kernels.node');
      renameSync(join(scratch, 'kernels.node'), path);
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
function keyOf(recipe: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(recipe));
  for (const name of readdirSync(SOURCES).sort()) hash.update(`\0${name}\0`).update(readFileSync(join(SOURCES, name)));
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
