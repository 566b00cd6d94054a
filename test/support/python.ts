import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { TestContext } from 'vitest';

/** Python with the packages that tests compare results with. */
export const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';

/** A Python with KServe's SDK, whose dependencies conflict with the other packages. */
export const KSERVE_PYTHON = process.env['MTL_KSERVE'] ?? PYTHON;

/** Skips a test, with the reason, if Python or a module is missing. */
export function needsPython(test: Pick<TestContext, 'skip'>, ...modules: readonly string[]): void {
  needsModules(test, PYTHON, 'MTL_PYTHON', modules);
}

/** The same for KServe's SDK. */
export function needsKserve(test: Pick<TestContext, 'skip'>): void {
  needsModules(test, KSERVE_PYTHON, 'MTL_KSERVE', ['kserve']);
}

function needsModules(
  { skip }: Pick<TestContext, 'skip'>,
  interpreter: string,
  variable: string,
  modules: readonly string[],
): void {
  const { status, error } = spawnSync(interpreter, ['-c', modules.map((module) => `import ${module}`).join('\n')], {
    stdio: 'ignore',
  });
  if (error !== undefined || status !== 0)
    skip(
      `${interpreter} has not all of ${modules.join(', ')}: pip install them, or name another Python with ${variable}`,
    );
}

/** Returns a script's stdout; fails with its stderr. */
export function python(cwd: string, script: string, args: readonly string[] = []): string {
  return execFileSync(PYTHON, ['-c', script, ...args], { cwd, encoding: 'utf8' });
}

/** The same without blocking this process, which the script may call. */
export async function pythonAside(
  cwd: string,
  script: string,
  args: readonly string[] = [],
  interpreter = PYTHON,
): Promise<string> {
  const { stdout } = await promisify(execFile)(interpreter, ['-c', script, ...args], { cwd, encoding: 'utf8' });
  return stdout;
}
