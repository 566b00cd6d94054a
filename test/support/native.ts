import type { TestContext } from 'vitest';
import { openAddon } from '../../src/engines/cpu/native/addon.js';
import { buildAddon } from '../../src/engines/cpu/native/build.js';

const built = buildAddon();

/** The addon of this machine and its processor families; none if it cannot be built. */
export const ADDON =
  'reason' in built ? { path: '', families: [] } : { path: built.path, families: openAddon(built.path).families() };

/** Skips a test, with the reason, if there are no native kernels. */
export function needsAddon({ skip }: Pick<TestContext, 'skip'>): void {
  if ('reason' in built) skip(`no native kernels: ${built.reason}`);
  if (ADDON.families.length === 0) skip('no native kernels for this processor');
}
