"""What goes to stdout has left, or the command fails."""

import os
import subprocess
import sys

import pytest

MOST = 100
"""Bytes that the file may have, for which a full disk stands: a write is cut short, the next one
fails."""
LIMITED = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({MOST}, {MOST}))
"""
SHOW = "from recsys.cli.output import show; show([{'text': 'a' * 400}], True)"
EVERYBODY = """
import polars as pl
from recsys.cli.bulk import write_frames
write_frames([pl.DataFrame({'user_id': ['a' * 40_000]})], None, False, 1)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of files are POSIX's")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("write", [SHOW, EVERYBODY])
def test_a_full_disk_is_no_success(tmp_path, write, unbuffered):
    with open(tmp_path / "out", "wb") as out:
        ended = subprocess.run(
            [sys.executable, "-c", LIMITED + write], stdout=out, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, check=False,
        )  # fmt: skip
    assert (tmp_path / "out").stat().st_size == MOST
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "OSError: [Errno 27] File too large"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_goes_out_keeps_its_order_and_its_letters(unbuffered):
    code = "print('before'); " + SHOW.replace("'a' * 400", "'茶 ' * 20_000") + "; print('after')"
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONIOENCODING": "utf-8"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, check=True)
    before, row, after = ended.stdout.decode("utf-8").splitlines()
    assert (before, row, after) == ("before", '{"text": "' + "茶 " * 20_000 + '"}', "after")
