import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemError } from '../../src/cli/system-error.js';
import { userError } from '../../src/core/errors.js';

/** Returns the error that a call throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('an error of the operating system', () => {
  it.each([
    [
      'too many open files',
      Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', errno: -24, path: 'a.csv' }),
      'a.csv: too many files are open (EMFILE); raise the limit of this process: ulimit -n 4096',
    ],
    [
      'too many open files, as the cause of another error',
      userError(
        'data',
        { where: 'a.csv', message: 'cannot be read' },
        new Error('x', { cause: Object.assign(new Error('EMFILE'), { code: 'EMFILE', errno: -24 }) }),
      ),
      'a.csv: too many files are open (EMFILE); raise the limit of this process: ulimit -n 4096',
    ],
    [
      'a thread without file descriptors',
      Object.assign(new Error('Worker initialization failure: EMFILE'), { code: 'ERR_WORKER_INIT_FAILED' }),
      'too many files are open (EMFILE); raise the limit of this process: ulimit -n 4096',
    ],
    [
      'too many open files on the machine',
      Object.assign(new Error('ENFILE: file table overflow'), { code: 'ENFILE', errno: -23, path: 'a.csv' }),
      'a.csv: too many files are open on this machine (ENFILE); stop other programs',
    ],
    [
      'a name of 300 characters',
      thrownBy(() => readFileSync('x'.repeat(300))),
      `${'x'.repeat(300)}: file name too long for the file system (ENAMETOOLONG); use a shorter one`,
    ],
    [
      'a code without a message of its own',
      Object.assign(new Error('EBUSY'), { code: 'EBUSY', errno: -16, path: 'b' }),
      'b: system error (EBUSY); use another path, or ask the administrator of this machine',
    ],
    [
      'an array beyond the memory',
      thrownBy(() => new ArrayBuffer(2 ** 52)),
      'out of memory or address space (Array buffer allocation failed); ',
    ],
    [
      'a WebAssembly memory without address space',
      new RangeError('WebAssembly.Memory(): could not allocate memory'),
      'out of memory or address space (WebAssembly.Memory(): could not allocate memory); ',
    ],
    [
      'a module without address space',
      new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance'),
      'out of memory or address space',
    ],
    [
      'a thread that cannot start',
      Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' }),
      'cannot start another thread (EAGAIN); raise the limit (ulimit -u), or use --threads 1',
    ],
  ])('%s is reported as such, not as a bug', (_, error, message) => {
    const told = systemError(error);
    expect(told?.message).toContain(message);
    expect(told?.exitCode).toBe(5);
  });

  it.each([
    ['an invalid length', thrownBy(() => new Float32Array(-1))],
    ['a string that is too long', thrownBy(() => 'x'.repeat(2 ** 30))],
    ['an argument of the wrong type', thrownBy(() => readFileSync({} as string))],
    ['no error at all', 'text'],
  ])('%s is still reported as a bug', (_, error) => {
    expect(systemError(error)).toBeUndefined();
  });
});
