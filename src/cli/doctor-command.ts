import { doctor } from '../doctor.js';
import { EXIT_CODES } from '../core/errors.js';
import { packageVersion } from '../runs/package-version.js';
import { createOutput } from './output.js';

const MARKS = { ok: 'ok', without: '-', wrong: 'NO' } as const;

/**
 * Runs `mtl doctor` and prints each finding with its fix. Returns the exit code: that of usage errors if something must
 * be fixed.
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
