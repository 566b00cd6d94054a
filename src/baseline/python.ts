import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { userError } from '../core/errors.js';

const VARIABLE = 'MTL_PYTHON';
/** The script that trains the trees. */
const SCRIPT = fileURLToPath(new URL('./train_trees.py', import.meta.url));
/** Prints the versions, or fails with the missing module. */
const VERSIONS =
  'import platform, numpy, lightgbm; print(f"LightGBM {lightgbm.__version__}, Python {platform.python_version()}")';
/** Lines of Python's stderr in an error. */
const SHOWN_LINES = 5;

/** A Python with LightGBM. */
export interface TreePython {
  readonly command: string;
  /** Versions of LightGBM and Python, for display. */
  readonly versions: string;
}

/** Names of Python: Windows installs only the second, and may open its store for the first. */
const NAMES = ['python3', 'python'];

/**
 * Finds the Python of `MTL_PYTHON`, else python3 or python, and its LightGBM.
 * @throws UserError (usage) if either is missing, about the first Python that runs
 */
export function findPython(command = process.env[VARIABLE]): TreePython {
  const asked = (command === undefined ? NAMES : [command]).map((name) => ({
    name,
    ...spawnSync(name, ['-c', VERSIONS], { encoding: 'utf8' }),
  }));
  const found = asked.find(({ status }) => status === 0);
  if (found !== undefined) return { command: found.name, versions: found.stdout.trim() };
  const { name, error, stderr } = asked.find((each) => each.error === undefined) ?? asked[0]!;
  if (error !== undefined)
    throw userError('usage', {
      where: VARIABLE,
      message: `cannot run ${name} (${error.message})`,
      fix: `install Python, or set ${VARIABLE} to the path of one with lightgbm`,
    });
  throw userError('usage', {
    where: VARIABLE,
    message: `${name} cannot import lightgbm (${lastLines(stderr, 1)})`,
    fix: `run ${name} -m pip install lightgbm, or set ${VARIABLE} to a Python that has it`,
  });
}

/** Progress of the script. */
export interface TreeProgress {
  readonly task: string;
  /** Share of the maximum number of trees. */
  readonly share: number;
}

/**
 * Runs the script in a directory of rows.
 * @param signal aborts the script; its reason is thrown
 * @throws UserError (usage) with the end of its stderr if it fails
 */
export async function runTrees(
  { command }: TreePython,
  folder: string,
  onProgress: (progress: TreeProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const env = pythonEnvironment();
  const child = spawn(command, [SCRIPT, folder], { stdio: ['ignore', 'pipe', 'pipe'], signal, env });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-10_000)));
  // The script prints only progress; LightGBM may print other lines.
  createInterface(child.stdout).on('line', (line) => {
    if (line.startsWith('{')) onProgress(JSON.parse(line) as TreeProgress);
  });
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error));
    child.on('close', (status, name) => resolve(status ?? String(name)));
  });
  signal.throwIfAborted();
  if (code !== 0)
    throw userError('usage', {
      where: command,
      message: `training trees failed (${typeof code === 'number' ? 'exit code ' : ''}${code})`,
      fix: `its last output was: ${lastLines(stderr)}`,
    });
}

/** Returns the environment of Python. */
export function pythonEnvironment(): NodeJS.ProcessEnv {
  // Threads that spin at barriers waste the cores that other processes use.
  return { OMP_WAIT_POLICY: 'passive', ...process.env };
}

/** Returns the last lines of Python's output. */
export function lastLines(text: string, lines = SHOWN_LINES): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n').trim();
}
