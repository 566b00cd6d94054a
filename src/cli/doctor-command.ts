import { doctor } from '../doctor.js';
import { EXIT_CODES } from '../core/errors.js';
import { packageVersion } from '../runs/package-version.js';
import { createOutput } from './output.js';

const MARKS = { ok: 'ok', without: '-', wrong: 'NO' } as const;

/**
 * `mtl doctor`: prints what there is, what there is not and what to do, and gives the exit code: that of usage where
 * something must be put right.
 */
export async function runDoctor({ json }: { readonly json: boolean }): Promise<number> {
  const { screen, result } = createOutput(json);
  const found = await doctor();
  screen.print(`mtl ${packageVersion()}`);
  for (const { name, state, message, fix } of found) {
    screen.print(`  ${MARKS[state].padEnd(3)} ${screen.bold(name.padEnd(8))} ${message}`);
    if (fix !== undefined) screen.print(screen.dim(`               ${fix}`));
  }
  const isWell = found.every(({ state }) => state !== 'wrong');
  result({ mtl: packageVersion(), isWell, found });
  return isWell ? EXIT_CODES.done : EXIT_CODES.usage;
}
