"""Writes the files of vectors that pretrained.test.ts reads, under files/, with NumPy, safetensors and pyarrow.

  pip install numpy pyarrow safetensors
  python test/pretrained/make_files.py          # from the project's root
"""
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

FOLDER = Path(__file__).parent / 'files'
ROWS, WIDTH = 6, 4
vectors = np.random.default_rng(3).normal(size=(ROWS, WIDTH))
single = vectors.astype('<f4')
# Items of the world: 0 and 1 are frequent, and no row has 'absent'.
names = ['i3', 'i0', 'absent', 'i7', 'i1', 'i11']

np.save(FOLDER / 'f4.npy', single)
np.save(FOLDER / 'f8.npy', vectors)
np.save(FOLDER / 'fortran.npy', np.asfortranarray(single))
np.save(FOLDER / 'f2.npy', vectors.astype('<f2'))
np.save(FOLDER / 'one-dimension.npy', single[0])
(FOLDER / 'names.txt').write_text(''.join(f'{name}\n' for name in names))
save_file({'only': single}, FOLDER / 'one.safetensors')
save_file({'item': single, 'other': single[:, :2].copy()}, FOLDER / 'two.safetensors')
as_table = lambda keys, lists, type: pa.table({'name': keys, 'embedding': pa.array(lists, pa.list_(type))})
pq.write_table(as_table(names, single.tolist(), pa.float32()), FOLDER / 'f4.parquet')
pq.write_table(as_table(names, vectors.tolist(), pa.float64()), FOLDER / 'f8.parquet')
pq.write_table(as_table([3, 0, 99, 7, 1, 11], single.tolist(), pa.float32()), FOLDER / 'numbers.parquet')
pq.write_table(as_table([*names[:5], 'i3'], single.tolist(), pa.float32()), FOLDER / 'twice.parquet')
pq.write_table(as_table(names, [*single.tolist()[:5], [1.0, 2.0]], pa.float32()), FOLDER / 'ragged.parquet')
broken = single.tolist()
broken[2][1] = float('nan')
pq.write_table(as_table(names, broken, pa.float32()), FOLDER / 'nan.parquet')
pq.write_table(as_table([None, *names[1:]], single.tolist(), pa.float32()), FOLDER / 'null.parquet')
(FOLDER / 'expected.json').write_text(json.dumps({'names': names, 'f4': single.tolist(), 'f8': vectors.astype('<f4').tolist()}) + '\n')
