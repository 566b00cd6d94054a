import { fileURLToPath } from 'node:url';
import { buildOnce, type AddonRecipe, type Built } from '../../../system/native-build.js';

/** The shipped sources. The path is the same from this file and from its built form. */
const SOURCES = fileURLToPath(new URL('../../../../dist/native', import.meta.url));

/** By architecture: processor families, each with its own object and compiler options. */
export const FAMILIES: Partial<Record<NodeJS.Architecture, Readonly<Record<string, readonly string[]>>>> = {
  x64: { avx512: ['-mavx512f', '-mavx512dq', '-mfma'], avx2: ['-mavx2', '-mfma'] },
  arm64: { neon: [] },
};
/** Sources that are compiled for each family; the addon itself is compiled once. */
export const SOURCES_OF_FAMILY = ['products', 'rows', 'updates', 'norm'] as const;

/**
 * Sources whose instructions not every compiler supports, and the macro that enables them in the addon; one that does
 * not compile is omitted.
 */
export const EXTENSIONS: Partial<
  Record<
    NodeJS.Architecture,
    readonly { readonly name: string; readonly flags: readonly string[]; readonly define: string }[]
  >
> = {
  x64: [
    {
      name: 'products-bf16',
      flags: ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mavx512bf16', '-mfma'],
      define: '-DWITH_BF16',
    },
  ],
};

/** Build options; builds with other flags are separate. */
export type BuildOptions = Partial<Pick<AddonRecipe, 'folder' | 'compiler' | 'flags' | 'isInsistent'>>;

/** Builds the C kernels for this machine, unless they exist. */
export function buildAddon({ compiler = process.env['CC'] ?? 'cc', ...options }: BuildOptions = {}): Built {
  const families = FAMILIES[process.arch];
  if (families === undefined) return { reason: `not available for ${process.platform} on ${process.arch}` };
  const extensions = EXTENSIONS[process.arch] ?? [];
  return buildOnce(
    { name: 'kernels', sources: SOURCES, compiler, recipe: [families, extensions], ...options },
    ({ compile, link, source }) => {
      const objects = Object.entries(families).flatMap(([family, of]) =>
        SOURCES_OF_FAMILY.map((name) => ({ name, of, object: `${name}-${family}.o` })),
      );
      for (const { name, of, object } of objects) compile(...of, '-c', source(`${name}.c`), '-o', object);
      const known = extensions.filter(({ name, flags }) => {
        try {
          compile(...flags, '-c', source(`${name}.c`), '-o', `${name}.o`);
          return true;
        } catch {
          return false;
        }
      });
      link(
        ...known.map(({ define }) => define),
        source('addon.c'),
        ...objects.map(({ object }) => object),
        ...known.map(({ name }) => `${name}.o`),
      );
    },
  );
}
