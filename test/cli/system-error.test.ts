import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemError } from '../../src/cli/system-error.js';
import { userError } from '../../src/core/errors.js';

/** What a call throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('what the machine refuses', () => {
  it.each([
    [
      'too many open files',
      Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', errno: -24, path: 'a.csv' }),
      'a.csv: too many files are open (EMFILE); raise the limit of this process: ulimit -n 4096',
    ],
    [
      'too many open files, under another error',
      userError(
        'data',
        { where: 'a.csv', message: 'cannot be read' },
        new Error('x', { cause: Object.assign(new Error('EMFILE'), { code: 'EMFILE', errno: -24 }) }),
      ),
      'a.csv: too many files are open (EMFILE); raise the limit of this process: ulimit -n 4096',
    ],
    [
      'a thread without files',
      Object.assign(new Error('Worker initialization failure: EMFILE'), { code: 'ERR_WORKER_INIT_FAILED' }),
      'too many files are open (EMFILE); raise the limit of this process: ulimit -n 4096',
    ],
    [
      'too many open files on the machine',
      Object.assign(new Error('ENFILE: file table overflow'), { code: 'ENFILE', errno: -23, path: 'a.csv' }),
      'a.csv: too many files are open on this machine (ENFILE); end other programs',
    ],
    [
      'a name of 300 characters',
      thrownBy(() => readFileSync('x'.repeat(300))),
      `${'x'.repeat(300)}: is a name longer than the file system takes (ENAMETOOLONG); choose a shorter one`,
    ],
    [
      'a code that has no words of its own',
      Object.assign(new Error('EBUSY'), { code: 'EBUSY', errno: -16, path: 'b' }),
      'b: the system refuses it (EBUSY); choose another path, or ask who keeps this machine',
    ],
    [
      'an array that memory has no room for',
      thrownBy(() => new ArrayBuffer(2 ** 52)),
      'there is too little memory or address space (Array buffer allocation failed); ',
    ],
    [
      'a WebAssembly memory without address space',
      new RangeError('WebAssembly.Memory(): could not allocate memory'),
      'there is too little memory or address space (WebAssembly.Memory(): could not allocate memory); ',
    ],
    [
      'a module without address space',
      new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance'),
      'there is too little memory or address space',
    ],
    [
      'a thread that cannot start',
      Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' }),
      'no further thread can be started (EAGAIN); allow more (ulimit -u), or take fewer: --threads 1',
    ],
  ])('%s is told as such, not as a bug', (_, error, message) => {
    const told = systemError(error);
    expect(told?.message).toContain(message);
    expect(told?.exitCode).toBe(5);
  });

  it.each([
    ['a length that cannot be', thrownBy(() => new Float32Array(-1))],
    ['a text that is too long', thrownBy(() => 'x'.repeat(2 ** 30))],
    ['an argument of the wrong type', thrownBy(() => readFileSync({} as string))],
    ['no error at all', 'text'],
  ])('%s is a bug all the same', (_, error) => {
    expect(systemError(error)).toBeUndefined();
  });
});
