import type { TestContext } from 'vitest';
import { buildAddon } from '../../src/engines/cpu/native/build.js';
import { familiesHere } from '../../src/engines/cpu/native/find.js';
import { findPrebuilt } from '../../src/engines/cpu/native/prebuilt.js';

const prebuilt = findPrebuilt();
const built = prebuilt !== undefined && 'path' in prebuilt ? prebuilt : buildAddon();

/** The addon that the engine uses and its processor families; none if it cannot be built. */
export const ADDON =
  'reason' in built ? { path: '', families: [] } : { path: built.path, families: familiesHere(built.path) };

/** Skips a test, with the reason, if there are no native kernels. */
export function needsAddon({ skip }: Pick<TestContext, 'skip'>): void {
  if ('reason' in built) skip(`no native kernels: ${built.reason}`);
  if (ADDON.families.length === 0) skip('no native kernels for this processor');
}
