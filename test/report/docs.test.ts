/** @module-tag long */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { sections } from '../../src/report/all.js';
import { codeBlocks } from '../support/code-blocks.js';
import { copyShipped } from '../support/copy-shipped.js';
import { mtl } from '../support/mtl.js';

const page = readFileSync('docs/how-to/read-reports.md', 'utf8');
const loggers = readFileSync('docs/how-to/track-experiments.md', 'utf8');
const commands = [...page.matchAll(/^npx mtl (.+)$/gm)].map(([, text]) => text!.split(' '));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-reports-'));
  mkdirSync(join(folder, 'runs'));
  copyShipped(folder, ['configs', 'data/sample']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('docs/how-to/read-reports.md and track-experiments.md', () => {
  it('has commands that run, and that leave what it says', async () => {
    expect(commands.length).toBeGreaterThan(3);
    for (const command of commands) {
      const { code, stderr } = await mtl(folder, command);
      expect([command, code, stderr]).toEqual([command, 0, '']);
    }
    for (const file of [
      'compared.html',
      'runs/latest/report.html',
      'runs/esmm/reported/events.out.tfevents.0.mtl',
      'runs/esmm/reported/scores.json',
    ])
      expect(existsSync(join(folder, file))).toBe(true);
    expect(readFileSync(join(folder, 'compared.html'), 'utf8')).toContain('<h1>2 runs</h1>');
  }, 120_000);

  it('has parts of configs that a config may have', () => {
    const blocks = [page, loggers].flatMap((each) => codeBlocks(each).filter(({ language }) => language === 'yaml'));
    expect(blocks.length).toBeGreaterThan(2);
    const base = parse(readFileSync('configs/mmoe.yaml', 'utf8')) as Record<string, object>;
    for (const { text } of blocks) {
      const part = parse(text) as Record<string, object>;
      const merged = Object.fromEntries(
        [...new Set([...Object.keys(base), ...Object.keys(part)])].map((key) => [
          key,
          typeof base[key] === 'object' ? { ...base[key], ...part[key] } : (part[key] ?? base[key]),
        ]),
      );
      expect(() => parseConfig(stringify(merged), 'configs/mmoe.yaml')).not.toThrow();
    }
  });

  it('tells of every section', () => {
    for (const { title } of sections) expect(page).toContain(`| ${title} |`);
  });
});
