// Generates, from the C sources of the kernels, their parameters for TypeScript, against which calls are type-checked,
// and for C the functions that run calls of lists.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readKernelSources } from './kernel-sources.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const TYPESCRIPT = join(root, 'src', 'engines', 'compile', 'kernel-signatures.ts');
const C = join(root, 'src', 'kernels', 'kernel-calls.h');

/** Kernels without a form for each family of processors, and those with one for processors with bfloat16. */
const FORMS = { 'team.c': 'team', 'gemm-bf16.c': 'bf16' };

/** Returns a C parameter's name, its kind for TypeScript, and how C reads it from a call. */
function parameterOf(text) {
  const [, type, name] = /^(.*?)(\w+)$/s.exec(text.trim());
  if (type.includes('*')) return { name, kind: name === 'table' ? 'table' : 'address', read: 'ADDRESS' };
  if (/float/.test(type)) return { name, kind: 'float', read: 'SINGLE' };
  if (/double/.test(type)) return { name, kind: 'float', read: 'DOUBLE' };
  if (/size_t/.test(type)) return { name, kind: 'bytes', read: 'SIZE' };
  return { name, kind: ['rows', 'count'].includes(name) ? 'count' : 'integer', read: 'INTEGER' };
}

/** Finds all kernels: their names, C parameters and forms, sorted by name. */
export function findKernels() {
  const kernels = [];
  const files = Object.entries(readKernelSources()).filter(([file]) => /^[^/]*\.c$/.test(file));
  for (const [file, text] of files) {
    const add = (name, list) => {
      const parameters = list.replaceAll(/\\\n|\s+/g, ' ').trim();
      kernels.push({ name, form: FORMS[file] ?? 'family', parameters });
    };
    for (const [, name, list] of text.matchAll(/^KERNEL\((\w+)\)\(([^)]*)\)/gm)) add(name, list);
    // A macro of one parameter defines a kernel wherever it is used.
    for (const [, macro, body] of text.matchAll(/#define (\w+)\(\w+\)((?:.*\\\n)*.*)/g)) {
      const [, suffix, list] = /KERNEL\(\w+##(\w+)\)\(([^)]*)\)/.exec(body) ?? [];
      if (suffix === undefined) continue;
      for (const [, value] of text.matchAll(new RegExp(`^${macro}\\((\\w+)\\)`, 'gm'))) add(`${value}${suffix}`, list);
    }
  }
  return kernels.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const parametersOf = ({ parameters }) => (parameters === 'void' ? [] : parameters.split(',').map(parameterOf));

/** Returns the text of the TypeScript file. */
export function kernelSignatures(kernels = findKernels()) {
  const lines = kernels.map((kernel) => {
    const list = parametersOf(kernel).map(({ name, kind }) => `${name}: '${kind}'`);
    return `  ${kernel.name}: {${list.length === 0 ? '' : ` ${list.join(', ')} `}},`;
  });
  return `// Written by the build from src/kernels.\n\n/** Parameters of every kernel, in order, and their kinds. */\nexport const SIGNATURES = {\n${lines.join('\n')}\n} as const;\n`;
}

/** Types that the header may name; addresses of others are addresses of anything. */
const KNOWN = /^(const )?(float|double|u?int32_t|size_t)\b/;
const declared = ({ parameters }) =>
  parameters
    .split(',')
    .map((each) => (each.includes('*') && !KNOWN.test(each.trim()) ? `void *${/\w+$/.exec(each)[0]}` : each.trim()))
    .join(', ');

/** Returns the text of the C header. */
export function kernelCalls(kernels = findKernels()) {
  const lines = kernels.map((kernel) => {
    const reads = parametersOf(kernel).map(({ read }, i) => `${read}(${i})`);
    return `  each(${kernel.name}, ${kernel.form}, (${declared(kernel)}), (${reads.join(', ')}))`;
  });
  return `// Written by the build from the kernels' sources.\n\n/** Every kernel: name, form, parameters, and how they are read from a call. */\n#define EACH_KERNEL(each) \\\n${lines.join(' \\\n')}\n`;
}

/** Writes the files if the kernels have changed. */
export function writeKernelSignatures() {
  const kernels = findKernels();
  for (const [path, text] of [
    [TYPESCRIPT, kernelSignatures(kernels)],
    [C, kernelCalls(kernels)],
  ])
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
}
