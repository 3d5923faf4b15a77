"""Which option a language model's text names.

The rules, in order; the first that applies decides, and a text that fits none names no option:

1. Reasoning is cut off: what stands before the last `</think>`. A text whose reasoning does not end
   (`<think>` without `</think>`) names no option.
2. Marks of Markdown and LaTeX go, and `_` is a space, in the text and in the options: `brush hair`
   is `brush_hair`.
3. The first line that is not empty is a letter, alone or in brackets or with a point: `b`, `(B)`,
   `B.`
4. This line, or the whole text, is an option's text, whatever its case.
5. This line begins with a letter and a mark, `B. yoga`, `(B) yoga`, `B: yoga`. If another option's
   text follows the letter in it, letter and text contradict each other, and no option is named.
6. The text says `answer is B`, `answer: (B)` or `answer: yoga`; of several the last counts. Two
   in one list, `answer: A or C`, are none.
7. The text says `option B`, and so of one letter only.
8. The text of exactly one option occurs in it. An option inside a longer one does not count:
   `drinking beer` is not `drinking`.
9. Exactly one letter occurs in it, in brackets or alone, in upper case. The words A and I are no
   letters where a word in lower case follows.

Only letters of the question's own options count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from occludenet_build.config.questions import LETTERS

_THINK = re.compile(r"<think>", re.I)
_THOUGHT = re.compile(r".*</think>", re.I | re.S)
_MARKS = re.compile(r"[*`#$]|\\(?:boxed|text|textbf|mathrm)|[{}]")
_SPACES = re.compile(r"\\?_")
_ALONE = re.compile(r"\(?\[?([A-Za-z])[)\].,:;]*")
_LEADING = re.compile(r"(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])[.):,])\s*(.*)", re.DOTALL)
_LETTER = r"[\s:=\"'(\[]*\b([A-Z])\b(?![a-z'-])"
_NO_WORD = r"(?!(?<=[AI])\s+(?!(?:or|and)\b)[a-z])"
_NO_LIST = r"(?!\W*(?:or|and)?\W*\b[A-Z]\b)"
_END = rf"{_LETTER}{_NO_WORD}{_NO_LIST}"
_SAYS = r"(?:\s+(?:is|would be|should be))?"
_ANSWER = rf"(?i:\banswer\b{_SAYS}(?:\s+option)?)"
_LETTER_ANSWER = re.compile(f"{_ANSWER}{_END}")
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
    answer = _THOUGHT.sub("", text)
    if _THINK.search(answer):
        return None
    lines = [" ".join(line.split()) for line in _unmarked(answer).splitlines() if line.strip()]
    first, said = (lines or [""])[0], " ".join(lines)
    texts = [_folded(_unmarked(candidate)) for candidate in candidates]
    if found := _ALONE.fullmatch(first):
        return _position(found[1].upper(), texts)
    for whole in (_folded(first), _folded(said)):
        if whole in texts:
            return texts.index(whole)
    if found := _LEADING.fullmatch(first):
        letter, rest = found[1] or found[2] or found[3], _folded(found[4])
        position = _position(letter, texts)
        return None if rest in texts and texts.index(rest) != position else position
    return _said_in_words(said, texts)


def _said_in_words(said: str, texts: Sequence[str]) -> int | None:
    """The rules 6 to 9, for a text in one line."""
    if answers := _answers(said, texts):
        return answers[-1]
    own = LETTERS[: len(texts)]
    options = {letter for letter in _OPTION.findall(said) if letter in own}
    if len(options) == 1:
        return _position(options.pop(), texts)
    mentioned = _mentioned(_folded(said), texts)
    if mentioned:
        return mentioned[0] if len(mentioned) == 1 else None
    alone = set(_SINGLE.findall(said)) & set(own)
    return LETTERS.index(alone.pop()) if len(alone) == 1 else None


def _answers(said: str, texts: Sequence[str]) -> list[int]:
    """Positions of the options that stand after `answer`, as letters or texts, in their order."""
    longest = sorted(filter(None, texts), key=len, reverse=True)
    option = rf"(?:{'|'.join(map(re.escape, longest))})(?!\w)"
    in_words = re.compile(
        rf"{_ANSWER}[\s:=\"'(\[]*\b({option})(?![\s,/&]*(?:\bor\b|\band\b)?[\s,/&]*{option})", re.I
    )
    found = {one.start(): texts.index(_folded(one[1])) for one in in_words.finditer(said)}
    for one in _LETTER_ANSWER.finditer(said):
        position = _position(one[1], texts)
        if position is not None:
            found[one.start()] = position
    return [found[start] for start in sorted(found)]


def _unmarked(text: str) -> str:
    """Without the marks of Markdown and LaTeX; `_` is a space."""
    return _MARKS.sub("", _SPACES.sub(" ", text))


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
