"""Tensors on disk: back as they were, and a failure is an OSError that names the file."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.tensors import save_tensors


def test_back_as_they_were(tmp_path):
    tensors = {
        "one": np.array(2.5),
        "a/b": np.arange(6).reshape(2, 3).T,
        "c": np.zeros((0, 4), np.float32),
    }
    save_tensors(tmp_path / "x.safetensors", tensors)
    back = load_file(tmp_path / "x.safetensors")
    assert back.keys() == tensors.keys()
    for name, value in tensors.items():
        assert back[name].shape == value.shape
        np.testing.assert_array_equal(back[name], value)


def test_a_failure_is_an_os_error_with_the_file(tmp_path):
    file = tmp_path / "none" / "x.safetensors"
    with pytest.raises(OSError, match="none") as caught:
        save_tensors(file, {"a": np.ones(2)})
    assert caught.value.filename == str(file)
