import { z } from 'zod';

/**
 * Has zod walk every schema as it is. It would make a function of each, which pays where one is called more often than
 * a command does: what it reads, it reads once.
 */
export function disableZodJit(): void {
  z.config({ jitless: true });
}
