import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { TestContext } from 'vitest';

/** What tests call that hold what is here against what people have in Python. */
export const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';

/** A Python with KServe's SDK, whose dependencies are at odds with those of the other packages. */
export const KSERVE_PYTHON = process.env['MTL_KSERVE'] ?? PYTHON;

/** Skips a test, with the reason, where Python or one of its modules is not there. */
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

/** What a script prints; its errors are told. */
export function python(cwd: string, script: string, args: readonly string[] = []): string {
  return execFileSync(PYTHON, ['-c', script, ...args], { cwd, encoding: 'utf8' });
}

/** The same, while this process goes on: a script may ask it something. */
export async function pythonAside(
  cwd: string,
  script: string,
  args: readonly string[] = [],
  interpreter = PYTHON,
): Promise<string> {
  const { stdout } = await promisify(execFile)(interpreter, ['-c', script, ...args], { cwd, encoding: 'utf8' });
  return stdout;
}
