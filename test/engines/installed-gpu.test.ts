import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findInstalledGpu } from '../../src/engines/installed-gpu.js';
import { scratchFolder } from '../support/scratch.js';

const H100 = 'Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 24\n';

/** Searches a machine with the given files. */
function find(files: Readonly<Record<string, string>>, platform = 'linux', arch = 'x64'): string | undefined {
  const root = scratchFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return findInstalledGpu({ platform, arch, root });
}
const render = (vendor: string, node = 'renderD128') => ({
  [`dev/dri/${node}`]: '',
  [`sys/class/drm/${node}/device/vendor`]: `${vendor}\n`,
});

it('has the default timeout, since no device is opened', ({ task }) => {
  expect(task.timeout).toBe(60_000);
});

describe('the GPU that the operating system lists', () => {
  it.each([
    [
      'the model that the driver of NVIDIA names',
      { 'proc/driver/nvidia/gpus/0000:3b:00.0/information': H100, 'dev/nvidia0': '' },
      'NVIDIA H100 80GB HBM3',
    ],
    ["NVIDIA's device without its /proc", { 'dev/nvidia0': '', 'dev/nvidiactl': '' }, 'NVIDIA GPU'],
    ['a render node of AMD', render('0x1002'), 'AMD GPU'],
    ['a render node of Intel', { ...render('0x1af4'), ...render('0x8086', 'renderD129') }, 'Intel GPU'],
  ])('is %s', (_, files, name) => expect(find(files)).toBe(name));

  it.each([
    ['a machine without devices', {}],
    ["NVIDIA's driver without a GPU", { 'dev/nvidiactl': '', 'proc/driver/nvidia/version': '550' }],
    ['a GPU that the container has no node of', { 'sys/class/drm/renderD128/device/vendor': '0x1002\n' }],
    ['the screen of a virtual machine', render('0x1af4')],
  ])('is none for %s', (_, files) => expect(find(files)).toBeUndefined());

  it('is that of an Apple processor on macOS', () => {
    expect([find({}, 'darwin', 'arm64'), find({}, 'darwin', 'x64'), find({}, 'win32', 'x64')]).toEqual([
      'Apple GPU',
      undefined,
      undefined,
    ]);
  });
});
