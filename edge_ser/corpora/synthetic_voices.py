"""The speakers of the synthetic corpus: accents of English x espeak-ng's variants x body size and habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LANGUAGES = (
    "en-us",
    "en",
    "en-gb-x-rp",
    "en-us-nyc",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
)
"""espeak-ng's accents of English; plain ``en`` is British."""

VARIANTS: dict[str, str] = {
    **dict.fromkeys(("f1", "f4", "Andrea", "Annie", "anika", "aunty", "belinda", "grandma", "linda"), "f"),
    **dict.fromkeys(("steph", "steph2", "steph3"), "f"),
    **dict.fromkeys(("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"), "m"),
    **dict.fromkeys(("Andy", "Denis", "Diogo", "Hugo", "Lee", "Marco", "antonio", "croak", "michel"), "m"),
    **dict.fromkeys(("miguel", "travis"), "m"),
    **dict.fromkeys(("klatt", "klatt2", "klatt3", "klatt4", "max", "adam", "david", "zac", "benjamin"), ""),
    **dict.fromkeys(("boris", "edward", "ian", "iven", "john", "pablo", "quincy", "robert", "Michael"), ""),
    **dict.fromkeys(("rob", "norbert", "paul"), ""),
}
"""Voice variant -> sex as the variant's own file gives it (``""``: it gives none).

Variants with a ``breath`` setting (f2, f3, f5, Alicia, sandro, victor, whisper and others) are left out: espeak-ng
1.52 computes their breath noise from memory that it never set, so that no two runs give the same samples.
"""


@dataclass(frozen=True)
class Voice:
    """One synthetic speaker.

    Attributes:
        speaker: identity in the corpus.
        language: one of :data:`LANGUAGES`.
        variant: a key of :data:`VARIANTS`.
        sex: ``"f"``, ``"m"`` or ``""``.
        size: factor on all frequencies, below 1 for a larger body; made by resampling, which shortens too.
        pitch: base pitch in espeak-ng's units (50 is the variant's own).
        pitch_range: base range of the intonation in espeak-ng's units.
        rate: base rate in words per minute.
        level_db: usual level against the others.
        tilt_db: usual brightness, see :class:`edge_ser.corpora.synthetic_prosody.Delivery`.
    """

    speaker: str
    language: str
    variant: str
    sex: str
    size: float
    pitch: float
    pitch_range: float
    rate: float
    level_db: float
    tilt_db: float

    @property
    def espeak_name(self) -> str:
        """The voice as espeak-ng names it."""
        return f"{self.language}+{self.variant}"


def make_voices(count: int, seed: int) -> tuple[Voice, ...]:
    """Speakers that differ from each other: all variants come up before one returns with another accent.

    Args:
        count: how many, at most ``len(LANGUAGES) * len(VARIANTS)`` with a voice of their own.
        seed: draws who they are.

    Returns:
        The speakers, named ``voice-000`` and so on.
    """
    rng = np.random.default_rng([seed, 1])
    variants = [str(name) for name in rng.permutation(list(VARIANTS))]
    first_accents = rng.integers(len(LANGUAGES), size=len(variants))
    voices = []
    for index in range(count):
        turn, place = divmod(index, len(variants))
        variant = variants[place]
        voices.append(
            Voice(
                speaker=f"voice-{index:03d}",
                language=LANGUAGES[(int(first_accents[place]) + turn) % len(LANGUAGES)],
                variant=variant,
                sex=VARIANTS[variant],
                size=round(float(rng.uniform(0.94, 1.06)), 3),
                pitch=round(float(rng.normal(45, 4)), 1),
                pitch_range=round(float(rng.normal(45, 4)), 1),
                rate=round(float(rng.normal(165, 7)), 1),
                level_db=round(float(rng.normal(0, 1.5)), 1),
                tilt_db=round(float(rng.normal(0, 0.7)), 1),
            )
        )
    return tuple(voices)
