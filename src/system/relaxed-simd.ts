import v8 from 'node:v8';

/** Enables relaxed SIMD in V8, which requires a flag before Node 22. */
export function allowRelaxedSimd(): void {
  if (Number.parseInt(process.versions.node, 10) < 22) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}
