import type { SIGNATURES } from '../../compile/kernel-signatures.js';

type Signatures = typeof SIGNATURES;
type Numbers<Names extends readonly string[]> = { -readonly [Place in keyof Names]: number };

/** Kernels that may be native: each with the arguments of its signature. */
export type Native = { readonly [Name in keyof Signatures]?: (...args: Numbers<Signatures[Name]>) => number };
