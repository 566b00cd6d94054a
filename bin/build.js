#!/usr/bin/env node
// Builds the package: TypeScript by tsc, joined by Rolldown; kernels by AssemblyScript: the engine's once plain and
// once with relaxed SIMD, those of
// CSV, and those of raw lines.
// The folder to build into may be named; it is dist otherwise.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.js';
import { compileArguments, KERNEL_MODULES } from './kernel-modules.js';
import { writeKernelSignatures } from './kernel-signatures.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv[2] ?? 'dist';
/** Shows what the build is at; stdout may be read by another program. */
const begin = (step) => process.stderr.write(`mtl: building ${step} …\n`);
const run = (script, ...args) => execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });

writeKernelSignatures();
// What is in C is built where it runs.
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
    // Compiling them takes as long as all the rest: the last build's serve where no kernel is newer.
    if (built !== last) cpSync(last, built, { preserveTimestamps: true });
  } else {
    begin(`WebAssembly: ${name}`);
    run(...compileArguments(name, built));
  }
}
// What editors complete configs by. Outside this folder, what the config's own code stands on would not be found.
if (resolve(root, out).startsWith(resolve(root))) {
  const { jsonSchema } = await import(pathToFileURL(resolve(root, out, 'config', 'json-schema.js')).href);
  writeFileSync(resolve(root, out, 'config.schema.json'), `${JSON.stringify(jsonSchema())}\n`);
}
begin('bundles');
await bundle(resolve(root, out));
// By its time, setup.js sees whether a source is newer.
writeFileSync(resolve(root, out, '.built'), '');
