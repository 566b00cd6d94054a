// Compiles TypeScript, and bundles the entry points of commands and threads into few files: opening hundreds of files
// takes longer than running them.
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** Entry points of threads and of helper processes, relative to src. */
const THREADS = [
  'engines/cpu/guard',
  'engines/cpu/native/build-process',
  'engines/cpu/worker',
  'engines/webgpu/lists/worker',
  'data/batches/order-worker',
  'data/encoding/encode-worker',
  'predict/format-worker',
  'prepare/worker',
  'serve/canary/comparison-worker',
  'serve/predict-worker',
  'serve/table-worker',
  'system/run-all',
];
/** Packages that are bundled: they load no file by path. The published package depends on no other. */
const JOINED = [
  'csv-parse',
  'csv-stringify',
  'd3-format',
  'd3-scale',
  'fastest-levenshtein',
  'fzstd',
  'hyparquet',
  'hyparquet-compressors',
  'hyparquet-writer',
  'pino',
  'prom-client',
  'protobufjs/light.js',
  'protobufjs/minimal.js',
  'tinyglobby',
  'xxhash-wasm',
  'yaml',
  'yargs',
  'zod',
];

/** The directory of a module's package. */
const PACKAGE = /\/(node_modules\/(?:.*\/node_modules\/)?(?:@[\w.-]+\/)?[\w.-]+)\//;

const slashed = (path) => path.split(sep).join('/');
const isPackage = (source) => !/^(\.|\/|[A-Za-z]:)/.test(source);
const isOf = (packages, source) => packages.some((name) => source === name || source.startsWith(`${name}/`));

/** Small modules that most commands need are one file, not one file for each set of commands that shares them. */
const BASICS = {
  includeDependenciesRecursively: false,
  groups: [{ name: 'core', test: /src[\\/](?:core|text)[\\/]/ }],
};

const SOURCE = fileURLToPath(new URL('../src', import.meta.url));

/** Compiles every module to a file of its own, which imports packages as the source does. */
export async function compileModules(out) {
  const input = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(SOURCE, name));
  const compiled = await rolldown({ cwd: SOURCE, platform: 'node', input, external: isPackage, tsconfig: false });
  const options = { format: 'esm', preserveModules: true, preserveModulesRoot: SOURCE, entryFileNames: '[name].js' };
  await compiled.write({ dir: out, ...options });
  await compiled.close();
}

/**
 * Bundles the library into `bundle`, threads into `threads` (loaded by src/system/thread.ts) and the command line into
 * `command` (loaded by src/cli/start.ts).
 */
export async function bundle(out) {
  const library = await joinModules(
    out,
    'bundle',
    { index: 'index' },
    { format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
  );
  writeFileSync(join(out, 'index.js'), "export * from './bundle/index.js';\n");
  // `require` and `import` load the same modules, so a process that does both has one class UserError.
  writeFileSync(join(out, 'index.cjs'), "module.exports = require('./bundle/index.js');\n");
  const commonJs = { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: '[name]-[hash].cjs' };
  // CommonJS files are read synchronously, without the thread pool that also writes a new run's files.
  const threads = await joinModules(
    out,
    'threads',
    Object.fromEntries(THREADS.map((module) => [module.replaceAll('/', '-'), module])),
    commonJs,
  );
  // The loader of the other chunks is a file of its own.
  const loader = await joinModules(out, 'command', { start: 'cli/start' }, commonJs);
  const chunks = await joinModules(
    out,
    'command',
    { main: 'cli/main' },
    { ...commonJs, codeSplitting: BASICS },
    withImportModule,
  );
  // Identifies the compiled-code cache of these files.
  const id = createHash('sha256');
  for (const { fileName, code } of chunks) {
    const text = asFunction(code, fileName);
    writeFileSync(join(out, 'command', fileName), text);
    id.update(`${fileName}\n${text}\n`);
  }
  writeFileSync(join(out, 'command', 'id'), id.digest('hex'));
  writePackageList(out, [...library, ...threads, ...loader, ...chunks]);
}

/** Lists the directories of the packages whose code is bundled, relative to the clone: bin/notices.js reads it. */
function writePackageList(out, chunks) {
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds).map(slashed);
  const paths = modules.flatMap((id) => PACKAGE.exec(id)?.[1] ?? []);
  writeFileSync(join(out, 'packages.json'), `${JSON.stringify([...new Set(paths)].sort())}\n`);
}

/**
 * Bundles modules and everything that they import into a directory below `out`; returns the files.
 * @param change transforms the code of each file
 */
async function joinModules(out, name, modules, options, change = (code) => code) {
  const folder = join(out, name);
  /** Modules resolve files relative to their own location in the build. */
  const places = {
    name: 'places',
    resolveId: (source, importer) =>
      importer === undefined || !isPackage(source) || importer.includes('node_modules') || isOf(JOINED, source)
        ? null
        : { id: source, external: true },
    transform(code, id) {
      if (/node_modules.fdir.dist.index\.mjs$/.test(id)) return withoutMatcher(code, id);
      if (id.includes('node_modules')) return null;
      if (/import\.meta\.(dirname|filename)/.test(code))
        throw new Error(`${id}: ask for import.meta.url, which is right in a bundle too`);
      const place = slashed(relative(folder, join(out, relative(SOURCE, id))));
      return code.replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`);
    },
    renderChunk(code) {
      return change(code, () => this.parse(code));
    },
  };
  const input = Object.fromEntries(
    Object.entries(modules).map(([entry, module]) => [entry, join(SOURCE, `${module}.ts`)]),
  );
  // yargs uses it for configs that extend others, which mtl has none of.
  const transform = { define: { 'import.meta.resolve': 'undefined' } };
  const joined = await rolldown({
    cwd: SOURCE,
    platform: 'node',
    input,
    tsconfig: false,
    ...('codeSplitting' in options && { preserveEntrySignatures: 'allow-extension' }),
    plugins: [lateWidths, lateAssertions, places],
    transform,
  });
  const { output } = await joined.write({ dir: folder, comments: false, ...options });
  await joined.close();
  return output;
}

/**
 * Replaces the remaining dynamic imports (Node's own modules and modules found at run time) with `importModule`, which
 * src/cli/start.ts passes.
 */
function withImportModule(code, parse) {
  if (!code.includes('import(')) return code;
  const places = [];
  const visit = (node) => {
    if (node === null || typeof node !== 'object') return;
    if (node.type === 'ImportExpression') places.push(node.start);
    for (const part of Object.values(node)) visit(part);
  };
  visit(parse());
  return places
    .sort((a, b) => b - a)
    .reduce((text, at) => `${text.slice(0, at)}importModule${text.slice(at + 'import'.length)}`, code);
}

/**
 * Wraps a file as a function of CommonJS's variables, on the same lines, in ASCII. V8 uses ASCII text in place; one
 * other character in a megabyte would make it decode and double the text.
 */
function asFunction(code, name) {
  if (/\\[^\0-\x7f]|String\.raw`[^`]*[^\0-\x7f`]/.test(code))
    throw new Error(
      `${name}: expected no letter beyond ASCII behind a backslash, which cannot be written as \\u there`,
    );
  const ascii = code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `(function (exports, require, module, __filename, __dirname, importModule) {${ascii}\n})`;
}

/** fdir tries to load a matcher for a feature that tinyglobby, which has its own matcher, does not use. */
function withoutMatcher(code, id) {
  const [looked, found] = [/__require\.resolve\(["']picomatch["']\);/, /__require\(["']picomatch["']\)/];
  if (!looked.test(code) || !found.test(code)) throw new Error(`${id}: expected it to look for picomatch`);
  return code.replace(looked, '').replace(found, 'null');
}

const LATE = '?late';
/** Loading Node's assert module takes 3 ms and these checks do not need its messages. */
const ASSERTIONS = { ok: '!a', strictEqual: '!Object.is(a, b)', notStrictEqual: 'Object.is(a, b)' };
const lateAssertions = {
  name: 'late assertions',
  resolveId(source, importer) {
    // One file per importer, so that no importer loads another's checks.
    const [by] = (source === 'assert' && /yargs|sonic-boom|thread-stream/.exec(importer)) || [];
    return by === undefined ? null : { id: `assert${LATE}-in-${by}` };
  },
  load(id) {
    if (!id.startsWith(`assert${LATE}`)) return null;
    const functions = Object.entries(ASSERTIONS).map(
      ([name, fails]) => `${name}: (a, b, message) => { if (${fails}) require('node:assert').${name}(a, b, message); }`,
    );
    return `const assertions = { ${functions.join(', ')} };\nmodule.exports = Object.assign(assertions.ok, assertions);\n`;
  },
};
/**
 * Only help measures the width of non-ASCII text; the packages that measure it (a segmenter and character classes) take
 * 30 ms to load.
 */
const lateWidths = {
  name: 'late widths',
  async resolveId(source, importer) {
    if (source !== 'string-width') return null;
    const { id } = await this.resolve(source, importer, { skipSelf: true });
    return `${id}${LATE}`;
  },
  load: (id) =>
    id.endsWith(LATE)
      ? `export default (text, options) => (/^[ -~]*$/.test(text) ? text.length : require(${JSON.stringify(id.slice(0, -LATE.length))}).default(text, options));`
      : null,
};
