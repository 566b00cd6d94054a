import { join } from 'node:path';
import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import { makeFolder, onDisk } from '../../io/disk.js';

export interface WorkersRequest {
  /** Directory of the study. */
  readonly study: string;
  readonly count: number;
  /** Command that runs mtl on this machine, program first. */
  readonly mtl: readonly string[];
  /** Arguments of a worker. */
  readonly args: readonly string[];
}

export interface Workers {
  /** Description of their location, for messages. */
  readonly where: string;
  /**
   * Reports whether any worker may still take trials.
   * @throws UserError with their output if all failed
   */
  areAlive(): Promise<boolean>;
  /** Asks the workers to save their trials and exit. */
  stop(): Promise<void>;
}

export type Launcher = (request: WorkersRequest) => Promise<Workers>;

/** A launcher with its properties. */
export interface LauncherPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [],
  Launcher
> {
  /** Whether its workers share the cores of this machine. */
  readonly isHere: boolean;
}

/** Declares a launcher with its types inferred. */
export function defineLauncher<const Name extends string, Shape extends z.ZodRawShape>(
  launcher: LauncherPart<Name, Shape>,
): LauncherPart<Name, Shape> {
  return launcher;
}

/** Creates the directory of a study with the files of its workers, and returns it. */
export async function makeWorkersFolder(study: string): Promise<string> {
  const folder = join(study, 'workers');
  await onDisk(folder, () => makeFolder(folder));
  return folder;
}

/** Quotes a command for the shell. */
export function quoteCommand(command: readonly string[]): string {
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`)).join(' ');
}
