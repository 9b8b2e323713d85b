"""What several tests of this package need."""

import sys

import pytest

from recsys.cli import main


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `kgintent …`; gives the exit code, stdout and stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["kgintent", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(caught.value.code or 0), out, err

    return run
