import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/disk.js';
import { parseJson } from './manifest.js';

/** File of a run with the teachers of its tasks; absent without distillation from runs. */
export const TEACHERS = 'teachers.json';

const recordSchema = z.strictObject({
  /** Task that is distilled. */
  task: z.string(),
  /** Run in the config. */
  from: z.string(),
  /** Output of the run. */
  output: z.string(),
  /** Directory of the checkpoint: an absolute path, with links resolved. */
  checkpoint: z.string(),
  /** Number of optimizer steps of the checkpoint. */
  step: z.int().min(0),
  /** Whether it reads counters of earlier events. */
  hasCounters: z.boolean(),
  /** SHA-256 of the checkpoint's manifest, which contains the digests of all its files. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** The teacher of a task. */
export type TeacherRecord = z.output<typeof recordSchema>;

/** Content of the file. */
export const teachersSchema = z.array(recordSchema);

/**
 * Reads the teachers of a run; empty if it has none.
 * @throws UserError (checkpoint) for an invalid file
 */
export function readTeachers(run: string): readonly TeacherRecord[] {
  const path = join(run, TEACHERS);
  return existsSync(path) ? parseJson(path, readFileSync(path, 'utf8'), teachersSchema) : [];
}

/**
 * Writes the teachers of a run.
 * @throws UserError (disk)
 */
export function writeTeachers(run: string, teachers: readonly TeacherRecord[]): Promise<void> {
  return writeFileAtomic(join(run, TEACHERS), `${JSON.stringify(teachers, null, 2)}\n`);
}
