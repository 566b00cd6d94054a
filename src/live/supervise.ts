import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { monotonicMs } from '../system/clock.js';
import { lowerPriority } from '../system/priority.js';
import { isReadyMessage } from '../system/ready.js';

/** A process that is started again when it ends. */
export interface SupervisedCommand {
  readonly name: string;
  /** The program, then its arguments. */
  readonly command: readonly string[];
  /** Whether other processes go first if cores are scarce; default: false. */
  readonly isBackground?: boolean;
  /** Called when the process reports that it is ready, by `reportReady`. */
  onReady?(): void;
  /** Whether an exit code means that another start would not help; it ends the supervision. Default: 0 only. */
  isFinal?(code: number): boolean;
}

/** How processes are supervised. */
export interface Supervision {
  /** Stops the process, which may finish its work, and ends the supervision. */
  readonly signal: AbortSignal;
  /** Receives the lines of the process, from stdout and stderr. */
  onLine(name: string, line: string): void;
  /** Called before a pause after which the process starts again. */
  onRestart(name: string, reason: string, pauseMs: number): void;
}

/** Pauses double from the first to the last. */
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [1000, 60_000];
/** A process that ran this long begins with the first pause again. */
const STEADY_MS = 60_000;

/**
 * Runs a process until it ends for good or the signal is aborted; starts it again after a pause otherwise. The process
 * stops if this one is killed: it has an IPC channel that closes then.
 * @returns its last exit code; null if a signal ended it
 */
export async function supervise(
  {
    name,
    command: [program, ...args],
    isBackground = false,
    onReady,
    isFinal = (code) => code === 0,
  }: SupervisedCommand,
  { signal, onLine, onRestart }: Supervision,
): Promise<number | null> {
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const startMs = monotonicMs();
    // A process group of its own: a terminal's Ctrl-C would be the second signal, which ends it without saving.
    const child = spawn(program!, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      windowsHide: true,
    });
    child.on('message', (message) => {
      if (isReadyMessage(message)) onReady?.();
    });
    if (isBackground && child.pid !== undefined) lowerPriority(child.pid);
    const code = await untilEnd(child, signal, (line) => onLine(name, line));
    if (signal.aborted || (code !== null && isFinal(code))) return code;
    if (monotonicMs() - startMs >= STEADY_MS) pauseMs = FIRST_PAUSE_MS;
    onRestart(name, code === null ? 'was killed' : `ended with exit code ${code}`, pauseMs);
    const isAborted = await setTimeout(pauseMs, false, { signal }).catch(() => true);
    if (isAborted) return code;
    pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS);
  }
}

/** Waits until a process and its output end, and stops it if the signal is aborted. */
async function untilEnd(
  child: ChildProcess,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<number | null> {
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const outputs = [child.stdout!, child.stderr!].map((input) => createInterface({ input }).on('line', onLine));
  try {
    const [[code]] = (await Promise.all([child, ...outputs].map((each) => once(each, 'close')))) as [[number | null]];
    return code;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
