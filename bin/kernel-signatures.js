// Generates a TypeScript file with the parameters of the AssemblyScript kernels, against which calls are type-checked.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'src', 'kernels');
const target = join(root, 'src', 'engines', 'compile', 'kernel-signatures.ts');

/** Returns the text of the file: the parameter names of every function that index.ts exports, in order. */
export function kernelSignatures() {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const text = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  const argumentsOf = new Map(
    [...text.matchAll(/export function (\w+)\(([^)]*)\)/g)].map(([, name, list]) => [
      name,
      list
        .split(',')
        .map((each) => each.split(':')[0].trim())
        .filter((each) => each !== ''),
    ]),
  );
  const index = readFileSync(join(folder, 'index.ts'), 'utf8');
  const names = [...index.matchAll(/export \{([^}]*)\} from/g)]
    .flatMap(([, list]) => list.split(',').map((name) => name.trim()))
    .filter((name) => name !== '')
    .sort();
  const lines = names.map(
    (name) =>
      `  ${name}: [${argumentsOf
        .get(name)
        .map((each) => `'${each}'`)
        .join(', ')}],`,
  );
  return `// Written by the build from src/kernels.\n\n/** Parameter names of every kernel, in order. */\nexport const SIGNATURES = {\n${lines.join('\n')}\n} as const;\n`;
}

/** Writes the file if the kernels have changed. */
export function writeKernelSignatures() {
  const text = kernelSignatures();
  if (!existsSync(target) || readFileSync(target, 'utf8') !== text) writeFileSync(target, text);
}
