/** @module-tag long */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyShipped } from '../support/copy-shipped.js';
import { mtl } from '../support/mtl.js';

const page = readFileSync('docs/how-to/measure-feature-importance.md', 'utf8');
const commands = [...page.matchAll(/^npx mtl (.+)$/gm)].map(([, text]) => text!.split(' '));

let world: string;
beforeAll(() => {
  world = mkdtempSync(join(tmpdir(), 'mtl-importance-'));
  copyShipped(world, ['configs/esmm.yaml', 'data/sample']);
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

describe('docs/how-to/measure-feature-importance.md', () => {
  it('has commands that run, and that write what it says', async () => {
    expect(commands.length).toBeGreaterThan(5);
    for (const command of commands) {
      const { code, stdout, stderr } = await mtl(world, command);
      expect([command, code, stderr.includes('error')]).toEqual([command, 0, false]);
      if (!command.includes('--json')) continue;
      const [, table] = /\n\| key \|[^\n]*\n\|---[^\n]*\n([^]*?)\n\n/.exec(page)!;
      const told = table!
        .split('\n')
        .flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, key]) => key!));
      const found = JSON.parse(stdout) as { importances: object[] };
      expect([...Object.keys(found).filter((key) => key !== 'run'), 'proposal'].sort()).toEqual([...told].sort());
      expect(Object.keys(found.importances[0]!)).toEqual(['name', 'fields', 'drops']);
    }
    for (const file of ['importance.svg', 'importance.csv', 'smaller.yaml'])
      expect(existsSync(join(world, file))).toBe(true);
    expect(readFileSync(join(world, 'importance.csv'), 'utf8')).toMatch(/^name,measure,worse_by,low,high\n/);
  });
});
