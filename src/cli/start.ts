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

// Starts the command line from its bundle, with what V8 compiled of it the last time: compiling takes a fifth of a
// short run. Node's own
// cache of modules comes with 22 alone.

/** The bundle, as far from the sources as from what is built of them. */
const BUNDLE = fileURLToPath(new URL('../../dist/command', import.meta.url));
/** Brings modules of packages to the files, since `import` does not know its way from there. */
const importModule = (id: string): Promise<unknown> => import(id);
/** V8 copies what does not begin at such an address. */
const ALIGNED = 8;
/** What nobody has started for so long is taken away: of builds that are gone, nobody will. */
const KEPT_MS = 30 * 24 * 3600 * 1000;
/**
 * Bytes of bytecode that a function runs before V8 looks whether it is hot, eight times as many as V8 takes; three such
 * looks optimize it.
 */
const HOT_BYTES = 540_000;
/** What a command answers that was called in a wrong way: that may have been any word, for which nothing is kept. */
const CALLED_WRONGLY = 2;

/** What the bundle's first file exports. */
interface CommandLine {
  main(args: readonly string[]): Promise<number>;
}

/** Code of the bundle's files that V8 compiled, by their names. */
type Compiled = ReadonlyMap<string, Buffer>;

/**
 * Runs the command line, and keeps what V8 compiled of it in the user's cache, where that is not done.
 * @param args what follows the command's name
 * @param bundle its folder; another one for tests
 * @returns the exit code
 */
export async function start(args: readonly string[], bundle = BUNDLE): Promise<number> {
  // What was compiled is good for the very same flags.
  allowRelaxedSimd();
  optimizeLater();
  const kept = keptFile(bundle, args[0]);
  const compiled = kept === undefined ? new Map<string, Buffer>() : readCompiled(kept);
  const scripts = new Map<string, vm.Script>();
  const { main } = createLoader(bundle, compiled, scripts)('main.cjs') as CommandLine; // what it is built of
  const exitCode = await main(args);
  const isKept = [...scripts].every(([name, script]) => script.cachedDataRejected === false && compiled.has(name));
  if (kept !== undefined && !isKept && exitCode !== CALLED_WRONGLY) keep(kept, compiled, scripts);
  return exitCode;
}

/**
 * Leaves functions that run for some milliseconds in all as they are: optimizing each takes 5 to 50, a third of a short
 * run's processor time, and
 * many are optimized twice. A long run loses some milliseconds. Node from 22 on counts calls beside bytes, and
 * optimizes less.
 */
function optimizeLater(): void {
  if (Number.parseInt(process.versions.node, 10) < 22) v8.setFlagsFromString(`--interrupt-budget=${HOT_BYTES}`);
}

/** Gives what a file of the bundle exports; each runs once. */
function createLoader(bundle: string, compiled: Compiled, scripts: Map<string, vm.Script>): (name: string) => unknown {
  const modules = new Map<string, { exports: unknown }>();
  const others = createRequire(join(bundle, 'main.cjs'));
  const load = (name: string): unknown => {
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} as unknown };
    modules.set(name, module);
    const path = join(bundle, name);
    const cachedData = compiled.get(name);
    // They are ASCII, as bin/bundle.js writes them.
    const script = new vm.Script(readFileSync(path, 'latin1'), {
      filename: path,
      ...(cachedData !== undefined && { cachedData }),
    });
    scripts.set(name, script);
    const require = (id: string): unknown => (id.startsWith('./') ? load(basename(id)) : others(id));
    const run = script.runInThisContext() as (...of: readonly unknown[]) => void; // what a file is
    run(module.exports, require, module, path, bundle, importModule);
    return module.exports;
  };
  return load;
}

/**
 * Where the compiled code of a command is kept: one file a bundle, a Node and a command, however often they are built
 * anew.
 */
function keptFile(bundle: string, command = ''): { readonly path: string; readonly id: string } | undefined {
  const cache = userCache();
  // Coverage counts what V8 compiles itself; the other is Node's word for its own cache.
  if (
    cache === undefined ||
    process.env['NODE_V8_COVERAGE'] !== undefined ||
    process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined
  )
    return undefined;
  const place = createHash('sha256')
    .update(JSON.stringify([bundle, process.version, process.arch]))
    .digest('hex')
    .slice(0, 16);
  const name = /^[a-z][a-z-]*$/.test(command) ? command : 'mtl';
  return { path: join(cache, 'mtl', 'code', `${name}-${place}`), id: readFileSync(join(bundle, 'id'), 'utf8') };
}

/** What is kept; nothing where there is nothing, or that of another build, or where it is damaged. */
function readCompiled({ path, id }: { readonly path: string; readonly id: string }): Compiled {
  try {
    const bytes = readFileSync(path);
    const end = bytes.indexOf('\n');
    const [of, digest, places] = JSON.parse(bytes.toString('utf8', 0, end)) as readonly [
      string,
      number,
      readonly (readonly [string, number, number])[],
    ]; // what `keep` writes
    const first = Math.ceil((end + 1) / ALIGNED) * ALIGNED;
    if (of !== id || digest !== digestOf(bytes.subarray(first))) return new Map();
    return new Map(places.map(([name, at, length]) => [name, bytes.subarray(first + at, first + at + length)]));
  } catch {
    return new Map();
  }
}

/**
 * Keeps what is compiled, also what an earlier start needed and this one did not; where that cannot be written, the
 * next start compiles it again.
 */
function keep(
  { path, id }: { readonly path: string; readonly id: string },
  before: Compiled,
  scripts: ReadonlyMap<string, vm.Script>,
): void {
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const parts: Buffer[] = [];
    let bytes = 0;
    const add = (part: Buffer): void => {
      const padding = Buffer.alloc((ALIGNED - (part.length % ALIGNED)) % ALIGNED);
      parts.push(part, padding);
      bytes += part.length + padding.length;
    };
    const places = [...new Set([...before.keys(), ...scripts.keys()])].map((name) => {
      const compiled = scripts.get(name)?.createCachedData() ?? before.get(name)!;
      const place = [name, bytes, compiled.length] as const;
      add(compiled);
      return place;
    });
    const body = Buffer.concat(parts);
    const header = Buffer.from(`${JSON.stringify([id, digestOf(body), places])}\n`);
    try {
      writeFileSync(
        temporary,
        Buffer.concat([header, Buffer.alloc((ALIGNED - (header.length % ALIGNED)) % ALIGNED), body]),
      );
      renameSync(temporary, path);
      removeForgotten(path);
    } finally {
      rmSync(temporary, { force: true });
    }
  } catch {
    // It is as good without.
  }
}

/** Removes what was neither read nor written for a month before this file was, whose time is that of the same disk. */
function removeForgotten(written: string): void {
  const now = statSync(written).mtimeMs;
  for (const name of readdirSync(dirname(written))) {
    const path = join(dirname(written), name);
    const { atimeMs, mtimeMs } = statSync(path);
    if (Math.max(atimeMs, mtimeMs) < now - KEPT_MS) rmSync(path, { force: true });
  }
}

/** Tells damage, at a fifth of what SHA-256 takes. */
const digestOf = (bytes: Buffer): number => crc32(bytes);
