import v8 from 'node:v8';

/** Has V8 compile relaxed SIMD, which Node has behind a flag before 22, and later ones without. */
export function allowRelaxedSimd(): void {
  if (Number.parseInt(process.versions.node, 10) < 22) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}
