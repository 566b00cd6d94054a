/** Message of a process to the one that started it, which has a message channel. */
const READY = 'ready';

/** Reports to the process that started this one, if it listens, that this process accepts work. */
export function reportReady(): void {
  // A parent that has ended has closed the channel, which ends this process by itself.
  process.send?.(READY, undefined, undefined, () => undefined);
}

/** Returns whether a message of a child process is the message of `reportReady`. */
export function isReadyMessage(message: unknown): boolean {
  return message === READY;
}
