import { appendFileSync, existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { wallClockMs } from '../system/clock.js';
import { cutFile, onDisk, onDiskSync } from '../io/disk.js';
import type { StateSection } from '../core/state-section.js';
import { syncFile } from '../io/sync-file.js';
import { histogramsEvent, scalarsEvent, sessionEndEvent, sessionStartEvent, versionEvent } from './event-messages.js';
import { encodeRecord, countCompleteBytes } from './records.js';
import { defineTracker } from './tracker.js';

/** TensorBoard reads all files with this in their name; a run has one. */
const EVENTS = 'events.out.tfevents.0.mtl';

const stateSchema = z.strictObject({ bytes: z.int().min(0) });
const section: StateSection<z.output<typeof stateSchema>> = { name: 'tensorboard', version: 1, schema: stateSchema };

/**
 * TensorBoard tracker: an event file in the run directory with scalars, histograms of predictions, and the config as
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
  open({ tensorboard: isEnabled }, { folder, hparams, getState: stateOf }) {
    /** Length of the file up to the checkpoint. */
    const state = stateOf(section, () => ({ bytes: 0 }));
    if (!isEnabled) return undefined;
    const path = join(folder, EVENTS);
    const append = (encode: (seconds: number) => Uint8Array): void => {
      const record = encodeRecord(encode(wallClockMs() / 1000));
      onDiskSync(path, () => appendFileSync(path, record));
      state.bytes += record.length;
    };
    return {
      async begin() {
        // The file may end within a record if it was not synced before a power failure.
        state.bytes = await cutFile(path, state.bytes);
        if (existsSync(path)) state.bytes = await cutFile(path, countCompleteBytes(await readFile(path)));
        if (state.bytes > 0) return;
        append(versionEvent);
        append((seconds) => sessionStartEvent(seconds, hparams));
      },
      scalars: (step, values) => append((seconds) => scalarsEvent(seconds, step, values)),
      predictions: (step, split, { outputs: outputs }) =>
        append((seconds) =>
          histogramsEvent(
            seconds,
            step,
            Object.fromEntries(
              Object.entries(outputs)
                .filter(([, { rows }]) => rows > 0)
                .map(([output, bins]) => [`${split}/${output}.predictions`, bins]),
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
      end(runEnd) {
        // An interrupted run may be resumed.
        if (runEnd !== 'interrupted') append((seconds) => sessionEndEvent(seconds, runEnd === 'failed' ? 2 : 1));
        return Promise.resolve();
      },
    };
  },
});
