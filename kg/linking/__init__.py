"""Which entity of a knowledge graph is which item, by what they are called.

Titles are compared folded: case, width and punctuation do not matter, "Matrix, The" is "The
Matrix", and scripts without spaces are compared sign by sign. A link is accepted only if it is
sure enough and nothing else comes near; what is doubtful goes to a person, as a table to mark.

- exact: equal titles (and years) that nobody else on either side has; confidence 1
- fuzzy: 1 - edits / longer length, or less where years, numbers or words say another thing
- text: near in meaning to an encoder; made by `recsys.linking`

Blocking: names are indexed by their runs of three signs (two where they hold Chinese or
Japanese), and an item meets the `NEAREST` names with which its `RARE` rarest runs are shared,
runs of more than `COMMON` names not counted. One wrong sign breaks three runs, so what may be
missed is a title of few signs with an error (less than the threshold anyway) and one whose every
run is common or broken. Equal titles are found without it. Other spellings of one sign
(traditional and simplified Chinese, é and e) are edits like others.

    titles       what is compared
    blocking     which entities an item may be
    confidence   how sure it is
    decision     which of them are links
    files        entities from a table, and the table that a person has marked
"""

from kg.linking.blocking import HOW, Candidates, candidates
from kg.linking.confidence import LEAST, MARGIN, WORTH, agreement
from kg.linking.decision import COLUMNS, Links, decide, link
from kg.linking.files import PERSON, read_entities, read_review
from kg.linking.titles import Titled, numbers, stem

__all__ = [
    "COLUMNS", "Candidates", "HOW", "LEAST", "Links", "MARGIN", "PERSON", "Titled", "WORTH",
    "agreement", "candidates", "decide", "link", "numbers", "read_entities", "read_review",
    "stem",
]  # fmt: skip
