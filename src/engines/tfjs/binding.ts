import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError, userError, type Problem } from '../../core/errors.js';
import { askProgram, nodeHeaders } from '../../system/native-build.js';
import { userCache } from '../../system/user-cache.js';
import { installPackage, replaceFolder, runProgram, testedVersion } from '../optional-packages.js';
import { NATIVE_PACKAGE, probeGpu } from './probe.js';

// TensorFlow.js calls TensorFlow through a small addon. Its package downloads one for a TensorFlow of 2022 with CUDA
// 11. Built here from the package's sources, it uses the TensorFlow that pip installs, with current CUDA versions.

/** Source of TensorFlow's library: a requirement for pip, or a directory with the library. */
export type LibrarySource = { readonly requirement: string } | { readonly path: string };

/** Contents of a binding's directory. */
export interface Binding {
  readonly package: string;
  readonly source: LibrarySource;
  /** Path of the library, relative to the directory if it is inside. */
  readonly library: string;
}

/** Tools that build a binding. */
export interface BindingTools {
  readonly python?: string;
  readonly compiler?: string;
  readonly probe?: typeof probeGpu;
}

/** Names of the library: in pip's TensorFlow, and in the archives for C. */
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow.so.2'];
const FRAMEWORK = 'libtensorflow_framework.so.2';
const WHERE = 'mtl setup cuda';
const STAMP = 'binding.json';
const ADDON_FOLDER = join('node_modules', NATIVE_PACKAGE, 'lib', 'napi-v8');

/** Returns the directory of a user's binding for CUDA; undefined for a user without a home directory. */
export function bindingFolder(): string | undefined {
  const cache = userCache();
  return cache && join(cache, 'mtl', 'tensorflow', 'cuda');
}

/**
 * Returns the directory from which to load TensorFlow's native package: the directory of the user's binding, or the
 * directory of mtl.
 */
export function nativeHome(): string {
  const made = bindingFolder();
  return made !== undefined && readBinding(made) !== undefined
    ? made
    : fileURLToPath(new URL('../../..', import.meta.url));
}

/** Reads the binding in a directory; undefined if there is none or its build did not finish. */
export function readBinding(folder: string): Binding | undefined {
  const stamp = join(folder, STAMP);
  return existsSync(stamp) ? (JSON.parse(readFileSync(stamp, 'utf8')) as Binding) : undefined;
}

/** Lists missing requirements of a build. */
export function missingTools(source: LibrarySource, { python, compiler }: BindingTools = {}): readonly Problem[] {
  if (process.platform !== 'linux')
    return [problem(`TensorFlow supports CUDA only on Linux, not on ${process.platform}`, 'use --device cpu')];
  const problems: Problem[] = [];
  const npm = askProgram('npm', '--version');
  if (!('output' in npm))
    problems.push(problem(`npm does not run: ${npm.reason}`, 'install npm, which is part of Node'));
  const cxx = askProgram(compilerOf(compiler), '--version');
  if (!('output' in cxx)) {
    const missing = `no C++ compiler was found ('${compilerOf(compiler)}')`;
    const message = cxx.isMissing ? missing : `the C++ compiler does not run: ${cxx.reason}`;
    problems.push(problem(message, 'install one (Debian: g++), or set CXX'));
  }
  const pip = 'requirement' in source ? askProgram(pythonOf(python), '-m', 'pip', '--version') : { output: '' };
  if (!('output' in pip)) {
    const found = `'${pythonOf(python)}'`;
    const message = pip.isMissing ? `Python was not found (${found})` : `${found} has no pip: ${pip.reason}`;
    const fix =
      'install Python with pip (Debian: python3-pip), set MTL_PYTHON, or pass the library with --libtensorflow';
    problems.push(problem(message, fix));
  }
  return problems;
}

/**
 * Builds a binding in its own directory. An existing one of the same source that still loads is kept.
 * @param onStep receives the progress
 * @returns whether it was built
 * @throws UserError (usage) with what is missing or failed
 */
export function makeBinding(
  folder: string,
  given: LibrarySource,
  onStep: (text: string) => void,
  tools: BindingTools = {},
): boolean {
  const source = 'path' in given ? { path: resolve(given.path) } : given;
  const binding = { package: `${NATIVE_PACKAGE}@${testedVersion(NATIVE_PACKAGE)}`, source };
  const there = readBinding(folder);
  if (there?.package === binding.package && JSON.stringify(there.source) === JSON.stringify(source)) {
    const { version, reason } = (tools.probe ?? probeGpu)(folder);
    if (version !== undefined) return false;
    onStep(`the addon in ${folder} no longer loads (${reason ?? 'no reason given'}); rebuilding it`);
  }
  const missing = missingTools(source, tools);
  if (missing.length > 0) throw new UserError('usage', missing);
  if ('path' in source) libraryIn(source.path);

  replaceFolder(folder, (fresh) => build(fresh, binding, onStep, tools));
  return true;
}

/** Installs and compiles a binding in an empty directory, tests it and writes its stamp. */
function build(
  folder: string,
  binding: Omit<Binding, 'library'>,
  onStep: (text: string) => void,
  { python, compiler, probe = probeGpu }: BindingTools,
): void {
  const { source } = binding;
  installPackage(folder, NATIVE_PACKAGE, WHERE, onStep);
  if ('requirement' in source) {
    onStep(`installing ${source.requirement} from pip`);
    const options = '--disable-pip-version-check --no-input --no-warn-conflicts --target'.split(' ');
    const target = join(folder, 'python');
    runProgram(pythonOf(python), ['-m', 'pip', 'install', ...options, target, source.requirement], folder, WHERE);
  }
  const { library, include } = libraryIn('path' in source ? source.path : join(folder, 'python', 'tensorflow'));
  onStep(`building the addon with ${compilerOf(compiler)} for ${library}`);
  compile(folder, library, include, compilerOf(compiler));
  const { version, reason } = probe(folder);
  const failure = `the built addon does not load (${reason ?? 'no reason given'})`;
  const fix = 'try another TensorFlow with --tensorflow or --libtensorflow';
  if (version === undefined) throw userError('usage', problem(failure, fix));
  const inside = relative(folder, library);
  writeFileSync(join(folder, STAMP), JSON.stringify({ ...binding, library: isInside(inside) ? inside : library }));
}

/** Builds the addon from the package's sources. */
function compile(folder: string, library: string, include: string, compiler: string): void {
  const addons = join(folder, ADDON_FOLDER);
  mkdirSync(addons, { recursive: true });
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) =>
    join(folder, 'node_modules', NATIVE_PACKAGE, 'binding', name),
  );
  // The addon finds a library in the directory wherever the directory is moved.
  const inside = relative(folder, library);
  const runPath = isInside(inside) ? `$ORIGIN/${relative(addons, dirname(library))}` : dirname(library);
  const libraries = [library, join(dirname(library), FRAMEWORK)];
  const options = '-std=c++17 -O2 -fPIC -shared -DNAPI_VERSION=8'.split(' ');
  const output = ['-o', join(addons, 'tfjs_binding.node')];
  const paths = ['-I', nodeHeaders(), '-I', include, ...sources, ...libraries];
  runProgram(compiler, [...options, ...paths, `-Wl,-rpath,${runPath}`, ...output], folder, WHERE);
}

/** Finds TensorFlow's library and headers in a directory, in the layout of pip or of the archives for C. */
function libraryIn(folder: string): { readonly library: string; readonly include: string } {
  const library = [folder, join(folder, 'lib')]
    .flatMap((at) => LIBRARIES.map((name) => join(at, name)))
    .find((path) => existsSync(path) && existsSync(join(dirname(path), FRAMEWORK)));
  const include = join(folder, 'include');
  if (library !== undefined && existsSync(join(include, 'tensorflow', 'c', 'eager', 'c_api.h')))
    return { library, include };
  throw userError('usage', {
    where: '--libtensorflow',
    message:
      `'${folder}' does not contain all of ${LIBRARIES.join(' or ')}, ${FRAMEWORK} (there or in lib) and ` +
      'include/tensorflow/c/eager/c_api.h',
    fix:
      "pass the 'tensorflow' directory of a Python installation, or the directory of TensorFlow's unpacked C " +
      'archive',
  });
}

const problem = (message: string, fix: string): Problem => ({ where: WHERE, message, fix });
const isInside = (path: string): boolean => !path.startsWith('..') && !isAbsolute(path);
const pythonOf = (python = process.env['MTL_PYTHON'] ?? 'python3'): string => python;
const compilerOf = (compiler = process.env['CXX'] ?? 'g++'): string => compiler;
