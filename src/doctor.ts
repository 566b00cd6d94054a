import * as all from './doctor/all.js';
import type { Health } from './doctor/health.js';

/**
 * Looks at all that mtl can use on this machine; nothing is installed; small addons are built into the user's cache to
 * see whether they can be.
 */
export async function doctor(): Promise<readonly (Health & { readonly name: string })[]> {
  const found = [];
  for (const { name, look } of Object.values(all)) found.push({ name, ...(await look()) });
  return found;
}
