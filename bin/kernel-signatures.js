// Generates, from the C sources of the kernels, their parameters for TypeScript, against which calls are type-checked,
// and for C the functions that run calls of lists.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'src', 'kernels');
const TYPESCRIPT = join(root, 'src', 'engines', 'compile', 'kernel-signatures.ts');
const C = join(folder, 'kernel-calls.h');

/** Kernels without a form for each family of processors, and those with one for processors with bfloat16. */
const FORMS = { 'team.c': 'team', 'gemm-bf16.c': 'bf16' };

/** Returns a C parameter's name, its kind for TypeScript, and how C reads it from a call. */
function parameterOf(text) {
  const [, type, name] = /^(.*?)(\w+)$/s.exec(text.trim());
  if (type.includes('*') || type.includes('_place '))
    return { name, kind: name === 'table' ? 'table' : 'address', read: 'ADDRESS' };
  if (/float/.test(type)) return { name, kind: 'float', read: 'SINGLE' };
  if (/double/.test(type)) return { name, kind: 'float', read: 'DOUBLE' };
  if (/size_t/.test(type)) return { name, kind: 'bytes', read: 'SIZE' };
  return { name, kind: ['rows', 'count'].includes(name) ? 'count' : 'integer', read: 'INTEGER' };
}

/** Returns what the place `index` of a macro's arguments is wherever the macro is used, also by a list of macros. */
function argumentsOfMacro(macro, index, text) {
  const at = (list) => list.split(',')[index].trim();
  const direct = [...text.matchAll(new RegExp(`^${macro}\\(([^)]*)\\)`, 'gm'))].map(([, list]) => at(list));
  const lists = [...text.matchAll(new RegExp(`^(\\w+)\\(${macro}\\)`, 'gm'))].flatMap(([, list]) => {
    const [, body] = new RegExp(`#define ${list}\\(each\\)((?:.*\\\\\\n)*.*)`).exec(text);
    return [...body.matchAll(/each\(([^)]*)\)/g)].map(([, values]) => at(values));
  });
  return [...direct, ...lists];
}

/** Finds all kernels: their names, C parameters and forms, sorted by name. */
export function findKernels() {
  const headers = readdirSync(folder).filter((name) => name.endsWith('.h') && name !== 'kernel-calls.h');
  const shared = headers.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  const kernels = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.c') && name !== 'addon.c')) {
    const form = FORMS[file] ?? 'family';
    const text = readFileSync(join(folder, file), 'utf8');
    const add = (name, list) => {
      const parameters = list.replaceAll(/\\\n|\s+/g, ' ').trim();
      kernels.push({ name, form, parameters });
    };
    for (const [, name, list] of text.matchAll(/^KERNEL\((\w+)\)\(([^)]*)\)/gm)) add(name, list);
    for (const [, macro, names, body] of text.matchAll(/#define (\w+)\(([^)]*)\)((?:.*\\\n)*.*)/g)) {
      const [, parameter, suffix, list] = /KERNEL\((\w+)##(\w+)\)\(([^)]*)\)/.exec(body) ?? [];
      if (parameter === undefined) continue;
      const index = names.split(',').findIndex((name) => name.trim() === parameter);
      for (const value of argumentsOfMacro(macro, index, `${shared}\n${text}`)) add(`${value}${suffix}`, list);
    }
  }
  const byName = new Map(kernels.map((kernel) => [kernel.name, kernel]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
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
