/** @module-tag long */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { needsPython, PYTHON } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const CLIENT = join(root, 'clients', 'python');

/** Runs a module of Python in the directory of the client; rejects with its output if it fails. */
async function runModule(...args: readonly string[]): Promise<string> {
  const caches = scratchFolder();
  const { stdout } = await promisify(execFile)(PYTHON, ['-B', '-m', ...args], {
    cwd: CLIENT,
    encoding: 'utf8',
    env: {
      ...process.env,
      MTL_COMMAND: `'${process.execPath}' '${join(root, 'bin', 'mtl.js')}'`,
      MYPY_CACHE_DIR: caches,
      PYTHONPATH: join(CLIENT, 'src'),
      PYTEST_ADDOPTS: `-p no:cacheprovider --basetemp='${join(caches, 'pytest')}'`,
    },
  }).catch((error: unknown) => {
    const { stdout: printed = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${args.join(' ')} failed:\n${printed}${stderr}`);
  });
  return stdout;
}

describe('clients/python', () => {
  it('passes its tests', { timeout: 900_000 }, async (context) => {
    needsPython(context, 'pytest', 'numpy', 'onnxruntime', 'pandas', 'ruamel.yaml', 'sklearn');
    expect(await runModule('pytest', '-q')).toMatch(/^\d+ passed in /m);
  });

  it('passes mypy --strict', { timeout: 300_000 }, async (context) => {
    needsPython(context, 'mypy', 'numpy', 'onnxruntime', 'pandas', 'ruamel.yaml', 'sklearn');
    expect(await runModule('mypy', '--strict')).toMatch(/^Success: no issues found in \d+ source files$/m);
  });

  it('has a notebook that runs', { timeout: 900_000 }, async (context) => {
    needsPython(context, 'torch_rechub', 'nbconvert', 'ipykernel', 'onnxruntime', 'pandas', 'ruamel.yaml', 'sklearn');
    const notebook = join('notebooks', 'compare-with-torch-rechub.ipynb');
    const options = ['--to', 'markdown', '--execute', '--stdout', '--ExecutePreprocessor.timeout=800'];
    const printed = await runModule('nbconvert', ...options, notebook);
    // The AUCs of both libraries, as a table.
    expect(printed).toMatch(/<th>range of mtl<\/th>[^]*<td>0\.\d{4}<\/td>/);
  });

  it('has the version of the command', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
    expect(readFileSync(join(CLIENT, 'pyproject.toml'), 'utf8')).toContain(`\nversion = "${version}"\n`);
  });
});
