import { checkRegularFile } from '../../io/regular-file.js';

/**
 * Checks that data is no pipe, socket or device, which would be opened for ever.
 * @throws UserError (data)
 */
export function checkDataFile(path: string): void {
  checkRegularFile(path, { kind: 'data', fix: 'save its output to a file, or pipe it to mtl predict --data -' });
}
