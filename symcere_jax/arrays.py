"""Arrays in host memory."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


def unit_rows(rows: ArrayLike, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Rows divided by their L2 norm; rows of zeros stay zeros.

    Args:
        rows: `[n, d]`, of any numeric type; norms are computed in it, or in `dtype` if that is more
            precise.
        dtype: of the result.

    Returns:
        `[n, d]`, a new array.
    """
    rows = np.asarray(rows)
    rows = rows.astype(np.promote_types(rows.dtype, dtype), copy=False)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms > 0, norms, 1)).astype(dtype, copy=False)
