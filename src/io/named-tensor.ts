import { UserError, userError } from '../core/errors.js';
import type { StoredTensor } from './safetensors.js';

const ARRAYS = { U8: Uint8Array, U32: Uint32Array, F32: Float32Array, F64: Float64Array } as const;
type ArrayOf<Type extends keyof typeof ARRAYS> = InstanceType<(typeof ARRAYS)[Type]>;

/** Creates the error for a tensor of a checkpoint, without its file, which `locateTensors` adds. */
export function tensorError(name: string, message: string): UserError {
  return userError('checkpoint', { key: name, message, fix: 'use another checkpoint' });
}

/**
 * Returns the elements of a vector of a checkpoint.
 * @param length number of elements; default: any
 * @throws UserError (checkpoint) if it is missing, or has another type or shape
 */
export function readVector<Type extends keyof typeof ARRAYS>(
  tensors: ReadonlyMap<string, StoredTensor>,
  name: string,
  type: Type,
  length?: number,
): ArrayOf<Type> {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw tensorError(name, 'the tensor is missing');
  const { data, shape } = tensor;
  const isVector = shape.length === 1 && (length === undefined || shape[0] === length);
  if (data instanceof ARRAYS[type] && isVector) return data as ArrayOf<Type>;
  const found = `${data.constructor.name} of shape [${shape.join(', ')}]`;
  throw tensorError(name, `expected a vector of ${length === undefined ? '' : `${length} `}${type}, found ${found}`);
}

/** @throws UserError (checkpoint) for a tensor whose name is not expected */
export function refuseOthers(tensors: ReadonlyMap<string, StoredTensor>, expected: ReadonlySet<string>): void {
  for (const name of tensors.keys()) if (!expected.has(name)) throw tensorError(name, 'the tensor is not expected');
}

/** Calls `read`, and adds the file, or a prefix of names, to its errors of tensors. */
export function locateTensors<Content>(
  { file, prefix = '' }: { readonly file?: string | undefined; readonly prefix?: string },
  read: () => Content,
): Content {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const problems = error.problems.map(({ key, ...problem }) => ({
      ...(file !== undefined && { where: file }),
      ...problem,
      ...(key !== undefined && { key: prefix + key }),
    }));
    throw new UserError(error.kind, problems, { cause: error });
  }
}
