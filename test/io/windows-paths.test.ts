import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { absolute, commonFolder, findFiles, isThere } from '../../src/data/sources/find-files.js';
import { globParts } from '../../src/data/sources/glob.js';
import { getRelativePath } from '../../src/init/output-path.js';
import { withSlashes } from '../../src/io/slashes.js';
import { shownPath } from '../../src/runs/runs-root.js';

// The path module of Windows over the disk of this machine, which opens no path with a backslash: a path that is used
// or stored with one fails here. (Windows' `resolve` of a POSIX directory lacks a drive letter.)
vi.mock('node:path', async (original) => {
  const { win32 } = await original<typeof import('node:path')>();
  return { ...win32, default: win32 };
});

const home = process.cwd();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/mtl-`);
  process.chdir(folder);
  mkdirSync('logs/ds=1', { recursive: true });
  mkdirSync('logs/ds=2');
  for (const name of ['logs/ds=1/a.csv', 'logs/ds=2/b.csv']) writeFileSync(name, 'x\n1\n');
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

describe('on Windows', () => {
  it('globs with backslashes match, and partitions have their columns', () => {
    const glob = absolute('logs\\ds=*\\*.csv') as string;
    expect(glob).toBe(`${folder}/logs/ds=*/*.csv`);
    for (const paths of [glob, absolute('logs'), absolute(['logs\\ds=1\\a.csv', 'logs/ds=2/b.csv'])]) {
      const found = findFiles(paths);
      expect(found.map(({ path }) => path)).toEqual([`${folder}/logs/ds=1/a.csv`, `${folder}/logs/ds=2/b.csv`]);
      expect(found.map(({ constants }) => constants.get('ds'))).toEqual(['1', '2']);
      expect(withSlashes(commonFolder(found))).toBe(`${folder}/logs`);
    }
    expect([isThere('logs\\ds=1'), isThere('logs\\*\\a.csv'), isThere('logs\\*\\c.csv')]).toEqual([true, true, false]);
  });

  it('paths have drives and servers', () => {
    expect(globParts('C:/*.csv')).toEqual({ base: 'C:/', pattern: '*.csv' });
    expect(globParts('C:/logs/2026-*/*.csv')).toEqual({ base: 'C:/logs', pattern: '2026-*/*.csv' });
    expect(globParts('//server/share/*.csv')).toEqual({ base: '//server/share/', pattern: '*.csv' });
    expect(absolute('D:\\logs\\train.csv')).toBe('D:/logs/train.csv');
    expect(commonFolder([{ path: 'C:/a/x.csv' }, { path: 'C:/b/y.csv' }])).toBe('C:/');
    expect(commonFolder([{ path: 'C:/a/x.csv' }, { path: 'D:/a/y.csv' }])).toBe('C:/');
  });

  it('paths in configs, messages and records have slashes', () => {
    expect(shownPath('runs\\esmm\\001')).toBe('runs/esmm/001');
    expect(shownPath('..\\other')).toMatch(/^[^\\]*\/other$/);
    expect(getRelativePath('configs\\mine.yaml', 'logs\\train.csv')).toBe('../logs/train.csv');
  });
});
