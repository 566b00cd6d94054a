import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashKernels } from './build.js';

// Addons that a release contains, so that users need no compiler: one optional package per platform, of which a package
// manager installs the one of the machine.

/** A platform that releases have an addon for, in terms of package.json. */
export interface Platform {
  readonly os: NodeJS.Platform;
  readonly cpu: NodeJS.Architecture;
  /** C library, on Linux. */
  readonly libc?: 'glibc' | 'musl';
}

/** Platforms by the suffix of their package's name. */
export const PLATFORMS: Readonly<Record<string, Platform>> = {
  'linux-x64-gnu': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl' },
  'linux-arm64-gnu': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linux-arm64-musl': { os: 'linux', cpu: 'arm64', libc: 'musl' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
  'darwin-x64': { os: 'darwin', cpu: 'x64' },
  'win32-x64': { os: 'win32', cpu: 'x64' },
};

/** Name of the addon in its package. */
export const ADDON_FILE = 'kernels.node';

/** Fields of a platform package's package.json. */
export interface PrebuiltManifest {
  readonly version: string;
  /** Hash of the sources that the addon was compiled from. */
  readonly kernels: string;
}

/** An installed package: the path of its addon, or why it does not fit this installation and the fix. */
export type Prebuilt = { readonly name: string } & (
  { readonly path: string } | { readonly reason: string; readonly fix: string }
);

/** The package that is run, whose path is the same from this file and from its built form. */
const PACKAGE = fileURLToPath(new URL('../../../../package.json', import.meta.url));

/**
 * Returns the package of this platform, if it is installed.
 * @param packageJson path of the package.json of mtl: its version is expected, and packages are resolved from there
 */
export function findPrebuilt(packageJson = PACKAGE, platform = thisPlatform()): Prebuilt | undefined {
  if (platform === undefined) return undefined;
  const main = readJson(packageJson) as { readonly name: string; readonly version: string };
  const [name, version] = [packageName(main.name, platform), main.version];
  const reinstall = `npm install ${name}@${version}`;
  try {
    const path = createRequire(packageJson).resolve(`${name}/package.json`);
    const { version: found, kernels } = readJson(path) as Partial<PrebuiltManifest>;
    if (found !== version) return { name, reason: `expected version ${version}, found ${found}`, fix: reinstall };
    if (kernels !== hashKernels(PLATFORMS[platform]!.cpu))
      return { name, reason: 'it was built from other kernel sources', fix: `remove it: npm rm ${name}` };
    return { name, path: join(dirname(path), ADDON_FILE) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined;
    return { name, reason: error instanceof Error ? error.message : String(error), fix: reinstall };
  }
}

/** Returns the name of a platform's package, in the scope of the main one. */
export function packageName(main: string, platform: string): string {
  return `${main}-${platform}`;
}

/** Returns the platform of this process; undefined if releases have no addon for it. */
export function thisPlatform(): string | undefined {
  return choosePlatform(process.platform, process.arch, loadedLibraries);
}

/**
 * Returns the platform with this system, processor and, on Linux, C library.
 * @param libraries returns the mapped files of the process, called on Linux only
 */
export function choosePlatform(
  os: NodeJS.Platform,
  cpu: NodeJS.Architecture,
  libraries: () => string,
): string | undefined {
  const isHere = (platform: Platform): boolean =>
    platform.os === os &&
    platform.cpu === cpu &&
    (platform.libc === undefined || platform.libc === (libraries().includes('/ld-musl-') ? 'musl' : 'glibc'));
  return Object.entries(PLATFORMS).find(([, platform]) => isHere(platform))?.[0];
}

/** Returns the mapped files of this process; nothing without /proc. */
function loadedLibraries(): string {
  try {
    return readFileSync('/proc/self/maps', 'utf8');
  } catch {
    return '';
  }
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
