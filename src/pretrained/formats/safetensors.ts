import { openSafetensors } from '../../io/safetensors.js';
import { vectorError, type VectorFormat } from './format.js';
import { readKeys } from './keys.js';

const FIX = 'write it with safetensors.numpy.save_file, in float32';

/** A tensor of a safetensors file, of shape [rows, width]. */
export const safetensors: VectorFormat = {
  name: '.safetensors',
  pattern: /\.safetensors$/i,
  async read(options) {
    const { file: path, value } = options;
    const file = await openSafetensors(path, { kind: 'data', fix: FIX });
    const names = [...file.places.keys()];
    const place = file.places.get(value) ?? (names.length === 1 ? file.places.get(names[0]!) : undefined);
    if (place === undefined)
      throw vectorError(path, `expected tensor '${value}', found ${names.join(', ') || 'none'}`, 'name it in value');
    const { dtype, shape, position } = place;
    const [rows, width] = shape;
    if (shape.length !== 2 || rows === undefined || width === undefined)
      throw vectorError(path, `expected shape [rows, width], found [${shape.join(', ')}]`, FIX);
    if (dtype !== 'F32' && dtype !== 'F64') throw vectorError(path, `expected type F32 or F64, found ${dtype}`, FIX);
    const into = dtype === 'F32' ? new Float32Array(rows * width) : new Float64Array(rows * width);
    await file.read([{ position, into }]);
    const data = into instanceof Float32Array ? into : Float32Array.from(into);
    return { path, rows, width, data, keyOf: await readKeys(options, rows) };
  },
};
