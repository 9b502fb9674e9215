"""From a data frame to recommendations: `prepare`, `fit`, `load` and `Model`.

>>> import symcere_jax as sj
>>> data = sj.prepare(frame, folder / "data", user="customer", item="sku", text="body")
>>> model = sj.fit(data, folder / "run", epochs=2, progress=False)
>>> round(model.evaluate("valid")["recall@10"], 4) > 0
True

Every setting of `train.py` and `prepare.py` is a keyword of the same name; `help(sj.fit)` lists
them. Frames go out as they came in: pandas, polars or pyarrow.

>>> model.recommend(["anna", "bert"], k=2).columns.tolist()
['user_id', 'item_id', 'rank', 'score']
>>> len(model.recommend_new(items=["item_1"], texts=["quiet, near the beach"], k=3))
3
>>> len(model.similar_items(["item_1"], k=3)), len(model.search("pool", k=3))
(3, 3)
>>> model.explain("anna", "item_7").item_id
'item_7'
>>> path = model.save(folder / "shop.model")
>>> same = sj.load(path).recommend(["anna"]) == model.recommend(["anna"])
>>> bool(same.all(axis=None))
True
"""

from symcere_jax.api.cross_validation import cross_validate
from symcere_jax.api.hub import from_hub, push_to_hub
from symcere_jax.api.model import Model, load
from symcere_jax.api.steps import fit, prepare

__all__ = ["Model", "cross_validate", "fit", "from_hub", "load", "prepare", "push_to_hub"]
