"""From a data frame to recommendations: `prepare`, `fit`, `load` and `Model`; README.md shows how.

Every setting of `train.py` and `prepare.py` is a keyword of the same name; `help(sj.fit)` lists
them. Results are frames of the same kind: pandas, polars or pyarrow.
"""

from symcere_jax.api.cross_validation import cross_validate
from symcere_jax.api.hub import from_hub, push_to_hub
from symcere_jax.api.model import Model, load
from symcere_jax.api.steps import fit, prepare

__all__ = ["Model", "cross_validate", "fit", "from_hub", "load", "prepare", "push_to_hub"]
