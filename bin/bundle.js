// Joins what a command or a thread begins with, and all that it imports, into few files: opening hundreds takes longer
// than running what is in them.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { rolldown } from 'rolldown';

/** Modules that threads begin with, below the folder of the build. */
const THREADS = [
  'engines/simd/guard',
  'engines/simd/worker',
  'engines/webgpu/lists/worker',
  'data/batches/order-worker',
  'data/encoding/encode-worker',
  'prepare/worker',
  'serve/predict-worker',
];
/** Packages that most commands need; none of them looks for a file beside itself. */
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
  'protobufjs/minimal.js',
  'tinyglobby',
  'xxhash-wasm',
  'yaml',
  'yargs',
  'zod',
];

const slashed = (path) => path.split(sep).join('/');
const isOf = (packages, source) => packages.some((name) => source === name || source.startsWith(`${name}/`));

/**
 * Bundles a build that tsc has made: the library, in its folder `bundle`, whose index then stands for what it became;
 * the threads, in its folder
 * `threads`, as what src/system/thread.ts starts; and the command line, in its folder `command`, as what src/cli/start.ts
 * loads. All others stay beside them.
 */
export async function bundle(out) {
  await joinModules(
    out,
    'bundle',
    { index: 'index' },
    { format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
  );
  writeFileSync(join(out, 'index.js'), "export * from './bundle/index.js';\n");
  const commonJs = { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: '[name]-[hash].cjs' };
  // Files of CommonJS are read at once, and not by the threads that also write a new run's files.
  await joinModules(
    out,
    'threads',
    Object.fromEntries(THREADS.map((module) => [module.replaceAll('/', '-'), module])),
    commonJs,
  );
  // What loads the others is one file by itself.
  await joinModules(out, 'command', { start: 'cli/start' }, commonJs);
  const chunks = await joinModules(out, 'command', { main: 'cli/main' }, commonJs, withImportModule);
  // By it, what V8 compiled of these files is known for theirs.
  const id = createHash('sha256');
  for (const { fileName, code } of chunks) {
    const text = asFunction(code, fileName);
    writeFileSync(join(out, 'command', fileName), text);
    id.update(`${fileName}\n${text}\n`);
  }
  writeFileSync(join(out, 'command', 'id'), id.digest('hex'));
}

/**
 * Joins modules below `out`, by name, and all that they import, in a folder of it; gives the files.
 * @param change what is made of each file's code in the end
 */
async function joinModules(out, name, modules, options, change = (code) => code) {
  const folder = join(out, name);
  /** Modules find files beside themselves, also from where they are now. */
  const places = {
    name: 'places',
    resolveId: (source, importer) =>
      importer === undefined ||
      /^(\.|\/|[A-Za-z]:)/.test(source) ||
      importer.includes('node_modules') ||
      isOf(JOINED, source)
        ? null
        : { id: source, external: true },
    transform(code, id) {
      if (/node_modules.fdir.dist.index\.mjs$/.test(id)) return withoutMatcher(code, id);
      if (id.includes('node_modules')) return null;
      if (/import\.meta\.(dirname|filename)/.test(code))
        throw new Error(`${id}: ask for import.meta.url, which is right in a bundle too`);
      return code.replaceAll(
        'import.meta.url',
        `new URL(${JSON.stringify(slashed(relative(folder, id)))}, import.meta.url).href`,
      );
    },
    renderChunk(code) {
      return change(code, () => this.parse(code));
    },
  };
  const input = Object.fromEntries(
    Object.entries(modules).map(([entry, module]) => [entry, join(out, `${module}.js`)]),
  );
  // What yargs asks of configs that extend others, which nothing here does.
  const transform = { define: { 'import.meta.resolve': 'undefined' } };
  const joined = await rolldown({
    cwd: out,
    platform: 'node',
    input,
    plugins: [lateWidths, lateAssertions, places],
    transform,
  });
  const { output } = await joined.write({ dir: folder, ...options });
  await joined.close();
  return output;
}

/**
 * What is still imported by the files that come out, as Node's own modules and those that are found at run time, is
 * left to `importModule`, which src/cli/start.ts passes.
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
 * A file as src/cli/start.ts runs it: a function of what CommonJS finds around it, on the same lines, and in ASCII. V8
 * takes such a text as it lies
 * in memory; one of a megabyte with a single dash in it would be decoded, and would be two.
 */
function asFunction(code, name) {
  if (/\\[^\0-\x7f]|String\.raw`[^`]*[^\0-\x7f`]/.test(code))
    throw new Error(
      `${name}: expected no letter beyond ASCII behind a backslash, which cannot be written as \\u there`,
    );
  const ascii = code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `(function (exports, require, module, __filename, __dirname, importModule) {${ascii}\n})`;
}

/** fdir looks for a matcher beside itself for a way of asking that tinyglobby, which has its own, does not use. */
function withoutMatcher(code, id) {
  const [looked, found] = [/__require\.resolve\(["']picomatch["']\);/, /__require\(["']picomatch["']\)/];
  if (!looked.test(code) || !found.test(code)) throw new Error(`${id}: expected it to look for picomatch`);
  return code.replace(looked, '').replace(found, 'null');
}

const LATE = '?late';
/** What Node says of an assertion that does not hold takes 3 ms to come, and is not needed where it does. */
const ASSERTIONS = { ok: '!a', strictEqual: '!Object.is(a, b)', notStrictEqual: 'Object.is(a, b)' };
const lateAssertions = {
  name: 'late assertions',
  resolveId(source, importer) {
    // Each has its own, so that none loads what another is in.
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
 * Widths of texts that are not plain are asked for by help alone, and what finds them takes 30 ms to come: a segmenter,
 * and classes of characters.
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
