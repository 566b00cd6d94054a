// TensorFlow.js on TensorFlow itself, by the name of the package that is plain JavaScript.
import util from 'node:util';

util.isNullOrUndefined ??= (value) => value === null || value === undefined;
export * from 'tensorflow-native';
/** What asks for the backend in JavaScript gets TensorFlow's. */
export const setBackend = () => Promise.resolve(true);
