import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.flax import save_file

from symcere_jax.errors import DataError
from symcere_jax.text.hub.weights import open_weights, weight_files

LEFT = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
RIGHT = np.arange(5, dtype=np.float32)


def test_tensors_of_several_files_with_the_name_of_the_model_in_front(tmp_path):
    save_file({"bert.layer.0.left": jnp.asarray(LEFT)}, tmp_path / "a.safetensors")
    save_file({"cls.right": jnp.asarray(RIGHT)}, tmp_path / "b.safetensors")
    index = {"bert.layer.0.left": "a.safetensors", "cls.right": "b.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert [path.name for path in weight_files(tmp_path)] == ["a.safetensors", "b.safetensors"]
    with open_weights(tmp_path) as read:
        np.testing.assert_array_equal(read("layer.0.left"), LEFT)
        np.testing.assert_array_equal(read("bert.layer.0.left"), LEFT)
        with pytest.raises(DataError, match="the weights have no tensor 'left'"):
            read("left")


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_read_as_float32(tmp_path, dtype):
    save_file({"left": jnp.asarray(LEFT, dtype)}, tmp_path / "model.safetensors")
    with open_weights(tmp_path) as read:
        found = read("left")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(jnp.asarray(LEFT, dtype), np.float32))
