import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  buildOnce,
  hashSources,
  isCompilerFailure,
  type AddonRecipe,
  type Built,
  type Compiler,
} from '../../../system/native-build.js';

/** The shipped sources. The path is the same from this file and from its built form. */
export const SOURCES = fileURLToPath(new URL('../../../../dist/native', import.meta.url));

/** By architecture: processor families, each with its own objects and compiler options. */
export const FAMILIES: Partial<Record<NodeJS.Architecture, Readonly<Record<string, readonly string[]>>>> = {
  x64: { avx512: ['-mavx512f', '-mavx512dq', '-mfma'], avx2: ['-mavx2', '-mfma'] },
  arm64: { neon: [] },
};
/** Sources that are the same for every family. */
const OF_ALL = ['addon.c', 'team.c'];

/** A variant of a family whose instructions not every compiler supports. */
interface Variant {
  readonly name: string;
  /** Sources that it has forms of. */
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  /** Macro that enables it in the addon. */
  readonly define: string;
}

/** Variants by architecture; one that does not compile is omitted. */
export const VARIANTS: Partial<Record<NodeJS.Architecture, readonly Variant[]>> = {
  x64: [
    {
      name: 'avx512bf16',
      sources: ['gemm-bf16.c', 'run.c'],
      flags: ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mavx512bf16', '-mfma'],
      define: '-DWITH_BF16',
    },
  ],
};

/** Build options; builds with other flags are separate. */
export type BuildOptions = Partial<Omit<AddonRecipe, 'name' | 'sources' | 'recipe'>>;

/** Builds the C kernels for this machine, unless they exist. */
export function buildAddon({ compiler = process.env['CC'] ?? 'cc', ...options }: BuildOptions = {}): Built {
  const families = FAMILIES[process.arch];
  if (families === undefined) return { reason: `not available for ${process.platform} on ${process.arch}` };
  const recipe = [families, VARIANTS[process.arch] ?? []];
  return buildOnce({ name: 'kernels', sources: SOURCES, compiler, recipe, ...options }, (of) =>
    compileKernels(process.arch, of, (error) => {
      if (!isCompilerFailure(error)) throw error;
    }),
  );
}

/**
 * Compiles the kernels for every family and variant of an architecture, and links them to an addon.
 * @param onOmitted receives the error of a variant that the compiler does not support; the addon has no such kernels
 */
export function compileKernels(
  arch: NodeJS.Architecture,
  { compile, link, source }: Compiler,
  onOmitted: (error: unknown) => void,
): void {
  const objectOf = (name: string, file: string): string => `${file}-${name}.o`;
  const argsOf = (name: string, flags: readonly string[], files: readonly string[]): readonly (readonly string[])[] =>
    files.map((file) => [...flags, '-c', source(file), '-o', objectOf(name, file)]);
  const files = readdirSync(SOURCES).filter((file) => file.endsWith('.c') && !OF_ALL.includes(file));
  const families = Object.entries(FAMILIES[arch] ?? {});
  compile(families.flatMap(([name, flags]) => argsOf(name, flags, files)));
  const known = (VARIANTS[arch] ?? []).flatMap(({ name, sources, flags, define }) => {
    try {
      compile(argsOf(name, flags, sources));
      return [{ define, objects: sources.map((file) => objectOf(name, file)) }];
    } catch (error) {
      onOmitted(error);
      return [];
    }
  });
  link(
    ...known.map(({ define }) => define),
    ...OF_ALL.map(source),
    ...families.flatMap(([name]) => files.map((file) => objectOf(name, file))),
    ...known.flatMap((variant) => variant.objects),
  );
}

/** Identifies the sources and options of the kernels of an architecture, whatever compiles them. */
export function hashKernels(arch: NodeJS.Architecture, sources = SOURCES): string {
  return hashSources(sources, [FAMILIES[arch] ?? {}, VARIANTS[arch] ?? []]);
}
