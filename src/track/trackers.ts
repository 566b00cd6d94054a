import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import * as all from './all.js';
import type { RunFile } from './mlflow-artifacts.js';
import type { OnnxModel, TrackedRun, Tracker, TrackerPart } from './tracker.js';

/** The config section of all trackers' keys. */
export const trackOptions = z
  .strictObject({ ...all.tensorboard.keys, ...all.mlflow.keys })
  .describe("Loggers besides the run's own files");
export type TrackOptions = z.output<typeof trackOptions>;

// Each tracker gets the whole section and reads its own keys.
const parts = Object.values(all) as unknown as readonly TrackerPart<string, z.ZodRawShape>[];

/** Checks constraints between the keys of the section. */
export function* checkTrack(options: TrackOptions): Generator<ValidationIssue> {
  for (const part of parts) yield* part.check?.(options) ?? [];
}

/** Opens all enabled trackers as one. */
export function openTrackers(options: TrackOptions, run: TrackedRun): Tracker {
  const trackers = parts.flatMap((part) => part.open(options, run) ?? []);
  const each = async (warn: (tracker: Tracker) => Promise<void>): Promise<void> => {
    for (const tracker of trackers) await warn(tracker);
  };
  return {
    begin: () => each((tracker) => tracker.begin()),
    scalars: (...values) => trackers.forEach((tracker) => tracker.scalars(...values)),
    predictions: (...values) => trackers.forEach((tracker) => tracker.predictions(...values)),
    flush: () => each((tracker) => tracker.flush()),
    end: (runEnd) => each((tracker) => tracker.end(runEnd)),
  };
}

/** Adds a file, such as a report, to a completed run in all its trackers. */
export async function addTrackedFile(folder: string, file: RunFile, warn: (warning: string) => void): Promise<void> {
  for (const part of parts) await part.addFile?.(folder, file, warn);
}

/**
 * Adds an exported model to a completed run in all its trackers.
 * @returns the URI that a tracker has for the model
 */
export async function addTrackedModel(
  folder: string,
  model: OnnxModel,
  warn: (warning: string) => void,
): Promise<string | undefined> {
  let uri: string | undefined;
  for (const part of parts) uri = (await part.addModel?.(folder, model, warn)) ?? uri;
  return uri;
}
