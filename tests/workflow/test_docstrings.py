"""Public functions say what they take and give: docstrings, shapes, dtypes, errors."""

from __future__ import annotations

import pytest
from support.docstrings import lacks

LEAST = 0.95


@pytest.mark.parametrize("kind", ["docstring", "shape", "dtype", "raises"])
def test_docstrings_tell(kind):
    counts, missing = lacks()
    told, asked = counts[kind]
    examples = "\n".join(lack.where for lack in missing if lack.kind == kind)
    assert told >= LEAST * asked, f"{told} of {asked} have {kind}; these have not:\n{examples}"
