"""Indian EmoSpeech Command Dataset: six command words said in four emotions, in the wild.

``LOCATION/keyword-environment-emotion-time-hash.wav`` (github.com/RakshakTeam/emospeech-dataset-v1).
Keyword and emotion are both labelled. ``background`` (no keyword) becomes the silence class and ``unknown``
(some other word) the unknown class. Emotion ``None`` is no label.

One hash means "unknown user" and stands for many people. They share one speaker name: whichever part it
falls in, all of them are on the same side of the split. It is no identity, and any of the other users may be among
them: evaluation leaves these clips out altogether, of the emotions and of the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching
from edge_ser.spec import SILENCE, UNKNOWN_WORD

EMOTION_WORDS = {"angry": "anger", "calm": "calm", "fearful": "fear", "happy": "happiness", "none": None}
KEYWORDS = {
    "help": "help",
    "bacho": "bacho",
    "stop": "stop",
    "no": "no",
    "go": "go",
    "yes": "yes",
    "unknown": UNKNOWN_WORD,
    "background": SILENCE,
}
UNKNOWN_USER_HASH = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"
"""README of the corpus."""
UNKNOWN_USER = "unknown-user"

_NAME = (
    rf"(?P<keyword>{'|'.join(KEYWORDS)})-(?P<environment>[a-z ]+)-(?P<emotion>{'|'.join(EMOTION_WORDS)})"
    r"-\d+-(?P<user>[0-9a-f]+)"
)


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        said = match["keyword"].lower()
        user = match["user"].lower()
        keyword = KEYWORDS[said]
        yield Clip(
            corpus="emospeech",
            path=path,
            speaker=UNKNOWN_USER if user == UNKNOWN_USER_HASH else user,
            emotion=EMOTION_WORDS[match["emotion"].lower()],
            text=said if keyword == said else None,
            keyword=keyword,
            language="hi" if said == "bacho" else "en",
            licence=EMOSPEECH.licence,
        )


EMOSPEECH = Layout(
    name="emospeech",
    title="Indian EmoSpeech Command Dataset",
    kind="emotion",
    language="",
    licence="CC BY-NC-SA 4.0",
    publisher="Banga, Upadhyay, Agarwal, Sharma, Mukherjee",
    shippable=False,
    read=read,
    nameless=(UNKNOWN_USER,),
    hint="House/help-safe-angry-1562907046662-HASH.wav",
    notes=(
        "five clips of the full release are all zero: leave out what the check calls silent",
        f"the speaker {UNKNOWN_USER!r} stands for many people",
    ),
)
