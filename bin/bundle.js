// Joins what a command or a thread begins with, and all that it imports, into few files: opening hundreds takes longer than running what is in them.
import { writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { rolldown } from 'rolldown';

/** Modules that something begins with, below the folder of the build: the command line, the library, and the threads. */
const BEGINNINGS = ['cli/main', 'index', 'engines/simd/guard', 'engines/simd/worker', 'engines/webgpu/lists/worker', 'data/encoding/encode-worker', 'prepare/worker', 'serve/predict-worker'];
/** Packages that most commands need; none of them looks for a file beside itself. */
const JOINED = ['csv-parse', 'csv-stringify', 'd3-format', 'd3-scale', 'd3-shape', 'fastest-levenshtein', 'pino', 'protobufjs/minimal.js', 'tinyglobby', 'xxhash-wasm', 'yaml', 'yargs', 'zod'];

const slashed = (path) => path.split(sep).join('/');
const isOf = (packages, source) => packages.some((name) => source === name || source.startsWith(`${name}/`));

/**
 * Bundles a build that tsc has made, in its folder `bundle`, and has the modules that something begins with stand for what they became. All
 * others stay beside it.
 */
export async function bundle(out) {
  const folder = join(out, 'bundle');
  /** Modules find files beside themselves, also from where they are now. */
  const places = {
    name: 'places',
    resolveId: (source, importer) => (importer === undefined || /^(\.|\/|[A-Za-z]:)/.test(source) || importer.includes('node_modules') || isOf(JOINED, source) ? null : { id: source, external: true }),
    transform(code, id) {
      if (id.includes('node_modules')) return null;
      if (/import\.meta\.(dirname|filename)/.test(code)) throw new Error(`${id}: ask for import.meta.url, which is right in a bundle too`);
      return code.replaceAll('import.meta.url', `new URL(${JSON.stringify(slashed(relative(folder, id)))}, import.meta.url).href`);
    },
  };
  /** How a module names what it became. */
  const wayTo = (module) => slashed(relative(dirname(join(out, module)), join(folder, nameOf(module)))).replace(/^(?=\w)/, './');
  const nameOf = (module) => module.replaceAll('/', '-');
  const joined = await rolldown({ cwd: out, platform: 'node', input: Object.fromEntries(BEGINNINGS.map((module) => [nameOf(module), join(out, `${module}.js`)])), plugins: [places] });
  await joined.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' });
  await joined.close();
  for (const module of BEGINNINGS) writeFileSync(join(out, `${module}.js`), `export * from '${wayTo(module)}.js';\n`);
}
