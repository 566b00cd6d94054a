import * as all from './doctor/all.js';
import type { Health } from './doctor/health.js';

/**
 * Checks everything that mtl can use on this machine. Installs nothing, but builds small addons in the user cache to
 * test compilers.
 */
export async function doctor(): Promise<readonly (Health & { readonly name: string })[]> {
  const found = [];
  for (const { name, look } of Object.values(all)) found.push({ name, ...(await look()) });
  return found;
}
