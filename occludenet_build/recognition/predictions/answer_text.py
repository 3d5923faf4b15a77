"""Which option a language model's text names.

The rules, in order; the first that applies decides, and a text that fits none names no option:

1. Reasoning is cut off: what stands before the last `</think>`. Marks of Markdown and LaTeX go.
2. The whole text is a letter, alone or in brackets or with a point: `b`, `(B)`, `B.`
3. The whole text is an option's text, whatever its case.
4. The text begins with a letter and a mark, `B. yoga`, `(B) yoga`, `B: yoga`. If another option's
   text follows the letter, letter and text contradict each other, and no option is named.
5. The text says `answer is B`, `answer: (B)`, `option B`; if it names several letters in this way,
   those after `answer` count, and of these the last.
6. The text of exactly one option occurs in it. An option inside a longer one does not count:
   `drinking beer` is not `drinking`.
7. Exactly one letter occurs in it, in brackets or alone, in upper case. The words A and I are no
   letters where a word in lower case follows.

Only letters of the question's own options count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from occludenet_build.config.questions import LETTERS

_MARKS = re.compile(r"[*`_#$]|\\(?:boxed|text|textbf|mathrm)|[{}]")
_ALONE = re.compile(r"\(?\[?([A-Za-z])[)\].,:;]*")
_LEADING = re.compile(r"(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])[.):,])\s*(.*)", re.DOTALL)
_LETTER = r"[\s:=\"'(\[]*\b([A-Z])\b(?![a-z'-])"
_NO_WORD = r"(?!(?<=[AI])\s+(?!(?:or|and)\b)[a-z])"
_NO_LIST = r"(?!\W*(?:or|and)?\W*\b[A-Z]\b)"
_END = rf"{_LETTER}{_NO_WORD}{_NO_LIST}"
_SAYS = r"(?:\s+(?:is|would be|should be))?"
_ANSWER = re.compile(rf"(?i:\banswer\b{_SAYS}(?:\s+option)?){_END}")
_OPTION = re.compile(rf"(?i:\b(?:option|choice)\b{_SAYS}){_END}")
_SINGLE = re.compile(rf"(?<![\w'])(?<!\bnot )([A-Z])(?![\w']){_NO_WORD}")


def named_option(text: str, candidates: Sequence[str]) -> int | None:
    """Position of the option that the text names; None where it names none, or several.

    >>> options = ["archery", "yoga", "playing a game"]
    >>> [named_option(text, options) for text in ("B", "(b).", "Yoga", "The answer is C.")]
    [1, 1, 1, 2]
    >>> [named_option(text, options) for text in ("A person", "A. yoga", "A or B", "F", "")]
    [None, None, None, None, None]
    """
    said = " ".join(_MARKS.sub("", text.rpartition("</think>")[2]).split())
    texts = [_folded(candidate) for candidate in candidates]
    own = LETTERS[: len(texts)]
    if found := _ALONE.fullmatch(said):
        return _position(found[1].upper(), texts)
    if _folded(said) in texts:
        return texts.index(_folded(said))
    if found := _LEADING.fullmatch(said):
        letter, rest = found[1] or found[2] or found[3], _folded(found[4])
        position = _position(letter, texts)
        return None if rest in texts and texts.index(rest) != position else position
    for pattern in (_ANSWER, _OPTION):
        letters = [letter for letter in pattern.findall(said) if letter in own]
        if letters and (pattern is _ANSWER or len(set(letters)) == 1):
            return _position(letters[-1], texts)
    mentioned = _mentioned(_folded(said), texts)
    if mentioned:
        return mentioned[0] if len(mentioned) == 1 else None
    alone = set(_SINGLE.findall(said)) & set(own)
    return LETTERS.index(alone.pop()) if len(alone) == 1 else None


def _folded(text: str) -> str:
    """Without case, spaces at the ends, and marks at the ends."""
    return " ".join(text.casefold().split()).strip(" .,:;!?\"'()[]")


def _position(letter: str, options: Sequence[str]) -> int | None:
    position = LETTERS.index(letter)
    return position if position < len(options) else None


def _mentioned(text: str, options: Sequence[str]) -> list[int]:
    """Positions of the options that occur in the text as whole words, longest first."""
    found = []
    for position in sorted(range(len(options)), key=lambda at: -len(options[at])):
        pattern = rf"(?<!\w){re.escape(options[position])}(?!\w)"
        text, count = re.subn(pattern, "\0", text)
        found += [position] * bool(count)
    return found
