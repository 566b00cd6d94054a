import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import * as all from './all.js';
import type { RunFile } from './mlflow-artifacts.js';
import type { TrackedRun, Tracker, TrackerPart } from './tracker.js';

/** The `track` section of a config: the keys of all trackers. */
export const trackOptions = z
  .strictObject({ ...all.tensorboard.keys, ...all.mlflow.keys })
  .describe("Loggers besides the run's own files");
export type TrackOptions = z.output<typeof trackOptions>;

// Each gets the whole section, of which it reads its own keys.
const parts = Object.values(all) as unknown as readonly TrackerPart<string, z.ZodRawShape>[];

/** What the keys of the section say together that cannot be. */
export function* checkTrack(options: TrackOptions): Generator<ValidationIssue> {
  for (const part of parts) yield* part.check?.(options) ?? [];
}

/** All trackers that the section asks for, as one. */
export function openTrackers(options: TrackOptions, run: TrackedRun): Tracker {
  const trackers = parts.flatMap((part) => part.open(options, run) ?? []);
  const each = async (warn: (tracker: Tracker) => Promise<void>): Promise<void> => {
    for (const tracker of trackers) await warn(tracker);
  };
  return {
    begin: () => each((tracker) => tracker.begin()),
    scalars: (...told) => trackers.forEach((tracker) => tracker.scalars(...told)),
    predictions: (...told) => trackers.forEach((tracker) => tracker.predictions(...told)),
    flush: () => each((tracker) => tracker.flush()),
    end: (how) => each((tracker) => tracker.end(how)),
  };
}

/** Adds a file, such as a report, to a run that has ended, wherever it was tracked. */
export async function addTrackedFile(folder: string, file: RunFile, warn: (notice: string) => void): Promise<void> {
  for (const part of parts) await part.addFile?.(folder, file, warn);
}
