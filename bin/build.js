#!/usr/bin/env node
// Builds what the command and its threads run, with Rolldown; kernels are compiled already (bin/build-kernels.js).
// Types are checked by npm run lint, and written by bin/build-types.js.
// Usage: node bin/build.js [DIRECTORY], default: dist
import { cpSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle, compileModules } from './bundle.js';
import { writeKernelSignatures } from './kernel-signatures.js';
import { kernelsDigest } from './kernel-sources.js';
import { writeScalarFunctions } from './scalar-functions.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(root, process.argv[2] ?? 'dist');

await writeScalarFunctions();
writeKernelSignatures();
const begin = new Date();
// C sources are compiled on the machine that runs them.
const kernels = join(root, 'src', 'kernels');
mkdirSync(join(out, 'native'), { recursive: true });
for (const name of readdirSync(kernels).filter((each) => /\.[ch]$/.test(each)))
  cpSync(join(kernels, name), join(out, 'native', name));
// Headers of Node's C interface, for addons that are compiled there.
cpSync(join(root, 'node_modules', 'node-api-headers', 'include'), join(out, 'node-api'), { recursive: true });
const wasm = join(kernels, 'wasm');
if (readFileSync(join(wasm, 'sources.sha256'), 'utf8').trim() !== kernelsDigest())
  throw new Error('src/kernels/wasm was compiled from other sources; run npm run build:kernels');
for (const name of readdirSync(wasm).filter((each) => each.endsWith('.wasm')))
  cpSync(join(wasm, name), join(out, name));
mkdirSync(join(out, 'baseline'), { recursive: true });
for (const script of ['train_trees.py', 'score_trees.py'])
  cpSync(join(root, 'src', 'baseline', script), join(out, 'baseline', script));
cpSync(join(root, 'src', 'cluster', 'native'), join(out, 'cluster', 'native'), { recursive: true });
await compileModules(out);
// JSON schema for editors. A build outside the clone cannot import the packages that it requires.
if (out.startsWith(resolve(root))) {
  const { jsonSchema } = await import(pathToFileURL(join(out, 'config', 'json-schema.js')).href);
  writeFileSync(join(out, 'config.schema.json'), `${JSON.stringify(jsonSchema())}\n`);
}
await bundle(out);
// setup.js compares source files with the time of this file: a source that changed during the build is newer.
const stamp = join(out, '.built');
writeFileSync(stamp, '');
utimesSync(stamp, begin, begin);
