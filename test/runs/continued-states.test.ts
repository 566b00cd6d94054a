import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EventStore } from '../../src/features/event-store.js';
import { joinHistories } from '../../src/features/stored-histories.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { readStates } from '../../src/runs/checkpoint-tensors.js';
import type { Chain } from '../../src/runs/delta.js';
import { FILES } from '../../src/runs/manifest.js';
import type { StateTensors } from '../../src/io/saved-state.js';
import type { StateName } from '../../src/runs/states.js';
import { storeWindow } from '../../src/training/window-rows.js';
import { scratchFolder } from '../support/scratch.js';

/** Writes a state of a full checkpoint, and its changes in the deltas after it, into directories `0`, `1` and so on. */
async function writeChain(root: string, name: StateName, contents: readonly StateTensors[]): Promise<Chain> {
  const folders = [];
  for (const [i, tensors] of contents.entries()) {
    const folder = join(root, String(i));
    mkdirSync(folder);
    const { bytes, sha256 } = await writeSafetensors(join(folder, FILES[name]), tensors);
    folders.push({ folder, manifest: { files: { [FILES[name]]: { bytes, sha256 } } } });
  }
  const [base, ...deltas] = folders;
  return { files: base!.manifest.files, base, deltas } as unknown as Chain;
}

const windowOf = (rows: readonly number[], first: number): StateTensors =>
  storeWindow(
    [{ rows: rows.length, predictions: new Map([['ctr', Float32Array.from(rows)]]), labels: new Map() }],
    first,
  );
const events = joinHistories([['bought', new EventStore('bought', { columns: [], last: 2 }).store()]]);

describe('a state that deltas continue', () => {
  it('has the rows of the full checkpoint and of each delta, in order', async () => {
    const root = scratchFolder();
    const contents = [windowOf([1, 2], 0), windowOf([1, 2, 3], 2), windowOf([1, 2, 3, 4], 3)];
    const { window } = await readStates(await writeChain(root, 'window', contents), ['window']);
    expect(window!.get('predictions.ctr')!.data).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it('names the delta whose rows do not follow', async () => {
    const root = scratchFolder();
    const contents = [windowOf([1, 2], 0), windowOf([1, 2, 3], 2), windowOf([1, 2, 3, 4, 5], 4)];
    const chain = await writeChain(root, 'window', contents);
    await expect(readStates(chain, ['window'])).rejects.toMatchObject({
      kind: 'checkpoint',
      problems: [{ where: join(root, '2', FILES.window) }],
    });
  });

  it('names the delta with an invalid tensor of events', async () => {
    const root = scratchFolder();
    const invalid = new Map([...events].filter(([name]) => name !== 'bought.times'));
    const chain = await writeChain(root, 'histories', [events, invalid]);
    await expect(readStates(chain, ['histories'])).rejects.toMatchObject({
      kind: 'checkpoint',
      problems: [{ where: join(root, '1', FILES.histories), key: 'bought.times' }],
    });
  });

  it('names the full checkpoint with an invalid tensor of events', async () => {
    const root = scratchFolder();
    const invalid = new Map([...events].filter(([name]) => name !== 'bought.times'));
    const chain = await writeChain(root, 'histories', [invalid, events]);
    await expect(readStates(chain, ['histories'])).rejects.toMatchObject({
      problems: [{ where: join(root, '0', FILES.histories), key: 'bought.times' }],
    });
  });
});
