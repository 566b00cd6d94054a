/** @module-tag long */
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

const page = readFileSync('docs/how-to/find-feature-crosses.md', 'utf8');
const commands = [...page.matchAll(/^npx mtl (.+)$/gm)].map(([, text]) => text!.split(' '));

describe('docs/how-to/find-feature-crosses.md', () => {
  it('has commands that run, and tells of all that the JSON object has', async () => {
    const world = scratchFolder();
    await smallWorld(world);
    renameSync(join(world, 'esmm.yaml'), join(world, 'my.yaml'));
    expect(commands.length).toBe(4);
    for (const command of commands) {
      const { code, stdout, stderr } = await mtl(world, command);
      expect([command, code, stderr.includes('error')]).toEqual([command, 0, false]);
      if (!command.includes('--json')) continue;
      for (const key of Object.keys(JSON.parse(stdout) as object)) expect(page).toContain(`\`${key}\``);
    }
  });
});
