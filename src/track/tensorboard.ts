import { appendFileSync, existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { wallClockMs } from '../system/clock.js';
import { cutFile, onDisk, onDiskSync } from '../io/disk.js';
import type { StateSection } from '../core/state-section.js';
import { syncFile } from '../io/sync-file.js';
import { histogramsEvent, scalarsEvent, sessionEndEvent, sessionStartEvent, versionEvent } from './event-messages.js';
import { encodeRecord, wholeRecords } from './records.js';
import { defineTracker } from './tracker.js';

/** TensorBoard takes every file with this in its name; a run has one. */
const EVENTS = 'events.out.tfevents.0.mtl';

const stateSchema = z.strictObject({ bytes: z.int().min(0) });
const section: StateSection<z.output<typeof stateSchema>> = { name: 'tensorboard', version: 1, schema: stateSchema };

/**
 * An event file of TensorBoard in the folder of the run: scalars, histograms of predictions, and the config as
 * hyperparameters.
 */
export const tensorboard = defineTracker({
  name: 'tensorboard',
  keys: {
    tensorboard: z
      .boolean()
      .default(true)
      .describe('Whether to write TensorBoard event files (events.out.tfevents.*) to the run directory'),
  },
  open({ tensorboard: isWanted }, { folder, hparams, stateOf }) {
    /** So much of the file belongs to what is behind. */
    const state = stateOf(section, () => ({ bytes: 0 }));
    if (!isWanted) return undefined;
    const path = join(folder, EVENTS);
    const append = (eventOf: (seconds: number) => Uint8Array): void => {
      const record = encodeRecord(eventOf(wallClockMs() / 1000));
      onDiskSync(path, () => appendFileSync(path, record));
      state.bytes += record.length;
    };
    return {
      async begin() {
        // Where it was not synced before the machine went down, it may end within a record.
        state.bytes = await cutFile(path, state.bytes);
        if (existsSync(path)) state.bytes = await cutFile(path, wholeRecords(await readFile(path)));
        if (state.bytes > 0) return;
        append(versionEvent);
        append((seconds) => sessionStartEvent(seconds, hparams));
      },
      scalars: (step, values) => append((seconds) => scalarsEvent(seconds, step, values)),
      predictions: (step, split, { outputs: spaces }) =>
        append((seconds) =>
          histogramsEvent(
            seconds,
            step,
            Object.fromEntries(
              Object.entries(spaces)
                .filter(([, { rows }]) => rows > 0)
                .map(([space, bins]) => [`${split}/${space}.predictions`, bins]),
            ),
          ),
        ),
      flush: () =>
        onDisk(path, async () => {
          const file = await open(path, 'a');
          try {
            await syncFile(file);
          } finally {
            await file.close();
          }
        }),
      end(how) {
        // One that was interrupted goes on.
        if (how !== 'interrupted') append((seconds) => sessionEndEvent(seconds, how === 'failed' ? 2 : 1));
        return Promise.resolve();
      },
    };
  },
});
