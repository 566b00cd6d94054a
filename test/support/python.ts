import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { TestContext } from 'vitest';

/** What tests call that hold what is here against what people have in Python. */
export const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';

/** Skips a test, with the reason, where Python or one of its modules is not there. */
export function needsPython({ skip }: Pick<TestContext, 'skip'>, ...modules: readonly string[]): void {
  const { status, error } = spawnSync(PYTHON, ['-c', modules.map((module) => `import ${module}`).join('\n')], { stdio: 'ignore' });
  if (error !== undefined || status !== 0) skip(`${PYTHON} has not all of ${modules.join(', ')}: pip install them, or name another Python with MTL_PYTHON`);
}

/** What a script prints; its errors are told. */
export function python(cwd: string, script: string, args: readonly string[] = []): string {
  return execFileSync(PYTHON, ['-c', script, ...args], { cwd, encoding: 'utf8' });
}

/** The same, while this process goes on: a script may ask it something. */
export async function pythonAside(cwd: string, script: string, args: readonly string[] = []): Promise<string> {
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', script, ...args], { cwd, encoding: 'utf8' });
  return stdout;
}
