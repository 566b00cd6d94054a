#!/usr/bin/env node
// Builds the package: TypeScript with tsc, bundles with Rolldown, kernels with AssemblyScript. Usage: node bin/build.js
// [DIRECTORY], default: dist
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.js';
import { compileArguments, KERNEL_MODULES } from './kernel-modules.js';
import { writeKernelSignatures } from './kernel-signatures.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv[2] ?? 'dist';
/** Progress goes to stderr, since another program may read stdout. */
const begin = (step) => process.stderr.write(`mtl: building ${step} …\n`);
const run = (script, ...args) => execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });

writeKernelSignatures();
// C sources are compiled on the machine that runs them.
cpSync(join(root, 'src', 'kernels', 'native'), resolve(root, out, 'native'), { recursive: true });
cpSync(join(root, 'src', 'cluster', 'native'), resolve(root, out, 'cluster', 'native'), { recursive: true });
begin('TypeScript');
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', out);
const kernelFiles = readdirSync(join(root, 'src/kernels'), { recursive: true }).map((file) =>
  join('src/kernels', file),
);
const modifiedMs = (file) => statSync(resolve(root, file)).mtimeMs;
const kernelsMs = Math.max(
  ...[...kernelFiles, 'bin/build.js', 'bin/kernel-modules.js', 'package-lock.json'].map(modifiedMs),
);
for (const name of Object.keys(KERNEL_MODULES)) {
  const last = resolve(root, 'dist', `${name}.wasm`);
  const built = resolve(root, out, `${name}.wasm`);
  if (existsSync(last) && modifiedMs(last) > kernelsMs) {
    // Compiling the kernels takes as long as everything else, so an up-to-date result of the last build is copied.
    if (built !== last) cpSync(last, built, { preserveTimestamps: true });
  } else {
    begin(`WebAssembly: ${name}`);
    run(...compileArguments(name, built));
  }
}
// JSON schema for editors. A build outside the clone cannot import the packages that the schema requires.
if (resolve(root, out).startsWith(resolve(root))) {
  const { jsonSchema } = await import(pathToFileURL(resolve(root, out, 'config', 'json-schema.js')).href);
  writeFileSync(resolve(root, out, 'config.schema.json'), `${JSON.stringify(jsonSchema())}\n`);
}
begin('bundles');
await bundle(resolve(root, out));
// setup.js compares source files with the time of this file.
writeFileSync(resolve(root, out, '.built'), '');
