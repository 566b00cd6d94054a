import { checkRegularFile } from '../../io/regular-file.js';

/**
 * Checks that data is no pipe, socket or device, which would be opened for ever.
 * @throws UserError (data)
 */
export function checkDataFile(path: string): void {
  checkRegularFile(path, { kind: 'data', fix: 'write what it gives to a file, or pipe it into mtl predict --data -' });
}
