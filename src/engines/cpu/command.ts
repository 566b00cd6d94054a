/**
 * Words of a command, counted from the barrier: its number, the list (-1 ends the worker), the number of workers that
 * have started, whether one has exited, the threads of the team, and from `rows` on the rows of each domain.
 */
export const COMMAND = { number: 4, list: 5, ready: 7, failed: 8, threads: 9, rows: 16 } as const;

/** Maximum number of domains of a program. */
export const MAX_DOMAINS = 32;

/** Words of the barrier and the command. */
export const COMMAND_WORDS = COMMAND.rows + MAX_DOMAINS;
