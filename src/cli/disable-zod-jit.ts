import { z } from 'zod';

/**
 * Makes zod interpret schemas. Compiling one to a function only pays off if it parses many values; a command parses
 * each config once.
 */
export function disableZodJit(): void {
  z.config({ jitless: true });
}
