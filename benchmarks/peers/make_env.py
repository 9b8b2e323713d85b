"""Make a peer's own environment from its pinned requirements: HOME/PEER/bin/python.

    python benchmarks/peers/make_env.py --home HOME --peer rectools

The requirements are pinned for Python 3.11, the one that runs this script should be of that kind.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ("rectools", "recbole", "lenskit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="holds the environments")
    parser.add_argument("--peer", choices=PEERS, action="append", help="without it all of them")
    args = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        print(f"Pinned for Python 3.11; this is {sys.version.split()[0]}.", file=sys.stderr)
    for peer in args.peer or PEERS:
        venv.create(args.home / peer, with_pip=True)
        python = args.home / peer / "bin" / "python"
        file = HERE / f"requirements-{peer}.txt"
        subprocess.run([python, "-m", "pip", "install", "-r", file], check=True)
        print(python)


if __name__ == "__main__":
    main()
