import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import vm from 'node:vm';
import { crc32 } from 'node:zlib';
import { allowRelaxedSimd } from '../system/relaxed-simd.js';
import { userCache } from '../system/user-cache.js';

// Starts the command line from its bundle with V8's cached bytecode: compilation takes a fifth of a short run. Node's
// own compile cache requires Node 22.

/** Directory of the bundle; the relative path is the same from src and dist. */
const BUNDLE = fileURLToPath(new URL('../../dist/command', import.meta.url));
/** Imports packages for the bundle, whose `import` cannot resolve them. */
const importModule = (id: string): Promise<unknown> => import(id);
/** V8 copies buffers without this alignment. */
const ALIGN_BYTES = 8;
/** Age at which unused cache files are removed. */
const MAX_AGE_MS = 30 * 24 * 3600 * 1000;
/** Interrupt budget in bytes of bytecode, eight times V8's default: V8 optimizes a function after three interrupts. */
const INTERRUPT_BUDGET_BYTES = 540_000;
/** Exit code of usage errors. The command may be any misspelled word, so nothing is cached for it. */
const USAGE_EXIT_CODE = 2;

/** Exports of the bundle's main file. */
interface CommandLine {
  main(args: readonly string[]): Promise<number>;
}

/** V8's cached bytecode by file of the bundle. */
type CodeCache = ReadonlyMap<string, Buffer>;

/**
 * Runs the command line and stores V8's bytecode in the user cache.
 * @param args arguments after the command's name
 * @param bundle directory of the bundle; tests pass another one
 * @returns the exit code
 */
export async function start(args: readonly string[], bundle = BUNDLE): Promise<number> {
  // Cached bytecode is valid for the same V8 flags only.
  allowRelaxedSimd();
  delayOptimization();
  const file = findCacheFile(bundle, args[0]);
  const cache = file === undefined ? new Map<string, Buffer>() : readCache(file);
  const scripts = new Map<string, vm.Script>();
  const { main } = createLoader(bundle, cache, scripts)('main.cjs') as CommandLine; // as built by bin/bundle.js
  const exitCode = await main(args);
  const isCached = [...scripts].every(([name, script]) => script.cachedDataRejected === false && cache.has(name));
  if (file !== undefined && !isCached && exitCode !== USAGE_EXIT_CODE) writeCache(file, cache, scripts);
  return exitCode;
}

/**
 * Keeps V8 from optimizing functions that run for only a few milliseconds: each optimization takes 5 to 50 ms, a third
 * of the CPU time of a short run. A long run loses a few milliseconds. Node 22 and later optimize less by themselves.
 */
function delayOptimization(): void {
  if (Number.parseInt(process.versions.node, 10) < 22)
    v8.setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`);
}

/** Creates a `require` for files of the bundle; each file runs once. */
function createLoader(bundle: string, compiled: CodeCache, scripts: Map<string, vm.Script>): (name: string) => unknown {
  const modules = new Map<string, { exports: unknown }>();
  const others = createRequire(join(bundle, 'main.cjs'));
  const load = (name: string): unknown => {
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} as unknown };
    modules.set(name, module);
    const path = join(bundle, name);
    const cachedData = compiled.get(name);
    // bin/bundle.js writes ASCII.
    const script = new vm.Script(readFileSync(path, 'latin1'), {
      filename: path,
      ...(cachedData !== undefined && { cachedData }),
    });
    scripts.set(name, script);
    const require = (id: string): unknown => (id.startsWith('./') ? load(basename(id)) : others(id));
    const run = script.runInThisContext() as (...of: readonly unknown[]) => void; // a CommonJS wrapper
    run(module.exports, require, module, path, bundle, importModule);
    return module.exports;
  };
  return load;
}

/** Finds the cache file: one per bundle, Node version and command, however often they are rebuilt. */
function findCacheFile(bundle: string, command = ''): { readonly path: string; readonly id: string } | undefined {
  const cache = userCache();
  // Coverage needs code that V8 compiles itself; the other variable disables Node's own cache.
  if (
    cache === undefined ||
    process.env['NODE_V8_COVERAGE'] !== undefined ||
    process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined
  )
    return undefined;
  const hash = createHash('sha256')
    .update(JSON.stringify([bundle, process.version, process.arch]))
    .digest('hex')
    .slice(0, 16);
  const name = /^[a-z][a-z-]*$/.test(command) ? command : 'mtl';
  return { path: join(cache, 'mtl', 'code', `${name}-${hash}`), id: readFileSync(join(bundle, 'id'), 'utf8') };
}

/** Reads cached bytecode; empty if there is none, it is damaged, or it belongs to another build. */
function readCache({ path, id }: { readonly path: string; readonly id: string }): CodeCache {
  try {
    const bytes = readFileSync(path);
    const end = bytes.indexOf('\n');
    const [cachedId, digest, entries] = JSON.parse(bytes.toString('utf8', 0, end)) as readonly [
      string,
      number,
      readonly (readonly [string, number, number])[],
    ]; // as `writeCache` writes it
    const first = Math.ceil((end + 1) / ALIGN_BYTES) * ALIGN_BYTES;
    if (cachedId !== id || digest !== computeDigest(bytes.subarray(first))) return new Map();
    return new Map(
      entries.map(([name, offset, length]) => [name, bytes.subarray(first + offset, first + offset + length)]),
    );
  } catch {
    return new Map();
  }
}

/**
 * Stores bytecode, including what an earlier start used and this one did not. If it cannot be written, the next start
 * compiles again.
 */
function writeCache(
  { path, id }: { readonly path: string; readonly id: string },
  previous: CodeCache,
  scripts: ReadonlyMap<string, vm.Script>,
): void {
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const parts: Buffer[] = [];
    let bytes = 0;
    const add = (part: Buffer): void => {
      const padding = Buffer.alloc((ALIGN_BYTES - (part.length % ALIGN_BYTES)) % ALIGN_BYTES);
      parts.push(part, padding);
      bytes += part.length + padding.length;
    };
    const entries = [...new Set([...previous.keys(), ...scripts.keys()])].map((name) => {
      const compiled = scripts.get(name)?.createCachedData() ?? previous.get(name)!;
      const entry = [name, bytes, compiled.length] as const;
      add(compiled);
      return entry;
    });
    const body = Buffer.concat(parts);
    const header = Buffer.from(`${JSON.stringify([id, computeDigest(body), entries])}\n`);
    try {
      writeFileSync(
        temporary,
        Buffer.concat([header, Buffer.alloc((ALIGN_BYTES - (header.length % ALIGN_BYTES)) % ALIGN_BYTES), body]),
      );
      renameSync(temporary, path);
      removeExpired(path);
    } finally {
      rmSync(temporary, { force: true });
    }
  } catch {
    // The cache is optional.
  }
}

/** Removes files neither read nor written within a month before `written`, whose time comes from the same disk. */
function removeExpired(written: string): void {
  const now = statSync(written).mtimeMs;
  for (const name of readdirSync(dirname(written))) {
    const path = join(dirname(written), name);
    const { atimeMs, mtimeMs } = statSync(path);
    if (Math.max(atimeMs, mtimeMs) < now - MAX_AGE_MS) rmSync(path, { force: true });
  }
}

/** Detects damage at a fifth of the cost of SHA-256. */
const computeDigest = (bytes: Buffer): number => crc32(bytes);
