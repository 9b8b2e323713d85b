"""Templates by name, by the language of titles, and as plain values (phrases: test_verbalise)."""

import pytest

from kg.errors import UsageError
from kg.wording.templates import Templates


def test_by_language_or_from_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('language = "zh"\n[phrases]\nview = "看了{item}"\n', encoding="utf-8")
    assert Templates.named("zh") == Templates("zh")
    assert Templates.named(str(file)) == Templates("zh", {"view": "看了{item}"})
    with pytest.raises(UsageError, match=r"fr"):
        Templates.named("fr")


@pytest.mark.parametrize(
    ("titles", "language"),
    [
        (["口红", "Nike 跑鞋", "socks"], "zh"),
        (["口红", "shoes", "socks"], "en"),
        (["口红", "socks", "", ""], "en"),
        ([], "en"),
    ],
)
def test_most_titles_decide_the_language(titles, language):
    assert Templates.for_titles(titles).language == language


def test_plain_values_give_the_same_templates():
    templates = Templates("zh", {"view": "看{item}"}, " / ", "[", "]", False, 12)
    assert Templates(**templates.as_dict()) == templates
