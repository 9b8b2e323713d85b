"""Tensors on disk: back as they were, and a failure is an OSError that names the file."""

import os

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


def test_who_may_read_it_is_as_of_other_files(tmp_path):
    other = tmp_path / "other"
    old = os.umask(0o027)
    try:
        other.touch()
        for name in ("x", "x"):  # the second takes the place of the first
            save_tensors(tmp_path / name, {"a": np.ones(2)})
            assert (tmp_path / name).stat().st_mode == other.stat().st_mode
    finally:
        os.umask(old)
