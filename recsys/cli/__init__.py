"""The command line `kgintent`: one verb per function; heavy imports live inside the verbs.

stdout is data (a table on a terminal, JSON lines with --json or when piped), stderr is talk.
Exit code 2 is misuse, 1 is failure, 130 is Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

for _name, _value in {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false",
    # threads that spin for long make torch many times slower beside one other busy process
    "GOMP_SPINCOUNT": "3000",
}.items():  # fmt: skip
    os.environ.setdefault(_name, _value)


def main() -> None:
    """Run the command line; a user's mistake is one sentence, never a traceback."""
    from kg.errors import DataError, UsageError
    from recsys.cli.app import app
    from recsys.cli.output import Stopped

    warnings.showwarning = _tell
    try:
        code = app(standalone_mode=False)
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except SystemExit:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # click met a closed pipe, and says 1
            sys.exit(141)
        raise
    except UsageError as error:
        _fail(str(error), 2)
    except DataError as error:
        _fail(str(error), 1)
    except Stopped as error:
        _fail(str(error), 130)
    except KeyboardInterrupt:
        _fail("Stopped.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except PermissionError as error:
        _fail(f"{error.filename}: no permission.", 1)
    except OSError as error:
        _fail(f"{error.filename or 'The system'}: {error.strerror or error}.", 1)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _misused(error)


def _tell(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    file: Any = None, line: str | None = None,
) -> None:  # fmt: skip
    """A warning of ours as a sentence; those of others as Python shows them."""
    if category.__module__.partition(".")[0] in ("kg", "models", "recsys"):
        print(f"kgintent: {message}", file=sys.stderr)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        print(text, file=sys.stderr, end="")


def _misused(error: Any) -> None:
    """A mistake that typer found: a wrong option or none at all (which shows the help)."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        sys.exit(2)
    _fail(str(error.format_message()).rstrip(".") + ".", int(getattr(error, "exit_code", 2)))


def _fail(message: str, code: int) -> None:
    print(f"kgintent: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
