import type { z } from 'zod';
import type { Component } from '../../core/component.js';

/** Which workers are wanted. */
export interface WorkersRequest {
  /** The study's folder. */
  readonly study: string;
  readonly count: number;
  /** How mtl is called on this machine, the program first. */
  readonly mtl: readonly string[];
  /** What a worker is called with. */
  readonly args: readonly string[];
}

/** Workers that were started. */
export interface Workers {
  /** Where they are, for people. */
  readonly where: string;
  /**
   * Whether any of them may still take trials.
   * @throws UserError where all of them failed, with what they said
   */
  areAlive(): Promise<boolean>;
  /** Asks them to end: to save where their trials stand, so that others can go on with them. */
  stop(): Promise<void>;
}

/** Starts workers on an engine that people have. */
export interface Launcher {
  launch(request: WorkersRequest): Promise<Workers>;
}

/** A launcher, and what it is like. */
export interface LauncherPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [],
  Launcher
> {
  /** Whether its workers share the cores of this machine. */
  readonly isHere: boolean;
}

/** Declares a launcher; the identity, for the sake of its types. */
export function defineLauncher<const Name extends string, Shape extends z.ZodRawShape>(
  launcher: LauncherPart<Name, Shape>,
): LauncherPart<Name, Shape> {
  return launcher;
}
