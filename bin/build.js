#!/usr/bin/env node
// Builds the package: TypeScript with tsc and bundles with Rolldown; kernels are compiled (bin/build-kernels.js).
// Usage: node bin/build.js [DIRECTORY], default: dist
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.js';
import { bundleTypes } from './bundle-types.js';
import { writeKernelSignatures } from './kernel-signatures.js';
import { kernelsDigest } from './kernel-sources.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv[2] ?? 'dist';
/** Progress goes to stderr, since another program may read stdout. */
const begin = (step) => process.stderr.write(`mtl: building ${step} …\n`);
const run = (script, ...args) => execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });

writeKernelSignatures();
// C sources are compiled on the machine that runs them.
const kernels = join(root, 'src', 'kernels');
mkdirSync(resolve(root, out, 'native'), { recursive: true });
for (const name of readdirSync(kernels).filter((each) => /\.[ch]$/.test(each)))
  cpSync(join(kernels, name), resolve(root, out, 'native', name));
// Headers of Node's C interface, for addons that are compiled there.
cpSync(join(root, 'node_modules', 'node-api-headers', 'include'), resolve(root, out, 'node-api'), { recursive: true });
const wasm = join(kernels, 'wasm');
if (readFileSync(join(wasm, 'sources.sha256'), 'utf8').trim() !== kernelsDigest())
  throw new Error('src/kernels/wasm was compiled from other sources; run npm run build:kernels');
for (const name of readdirSync(wasm).filter((each) => each.endsWith('.wasm')))
  cpSync(join(wasm, name), resolve(root, out, name));
mkdirSync(resolve(root, out, 'baseline'), { recursive: true });
cpSync(join(root, 'src', 'baseline', 'train_trees.py'), resolve(root, out, 'baseline', 'train_trees.py'));
cpSync(join(root, 'src', 'cluster', 'native'), resolve(root, out, 'cluster', 'native'), { recursive: true });
begin('TypeScript');
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', out);
// JSON schema and types for editors. A build outside the clone cannot import the packages that they require.
if (resolve(root, out).startsWith(resolve(root))) {
  const { jsonSchema } = await import(pathToFileURL(resolve(root, out, 'config', 'json-schema.js')).href);
  writeFileSync(resolve(root, out, 'config.schema.json'), `${JSON.stringify(jsonSchema())}\n`);
  bundleTypes(resolve(root, out));
}
begin('bundles');
await bundle(resolve(root, out));
// setup.js compares source files with the time of this file.
writeFileSync(resolve(root, out, '.built'), '');
