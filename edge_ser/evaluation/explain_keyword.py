"""What the keyword net adds to a decision: its embedding is replaced by the one that it gives for silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import ONE, Steps
from edge_ser.evaluation.explain_occlusion import Occlusion
from edge_ser.runtime.words import hear


@dataclass(frozen=True)
class KeywordShare:
    """What the keyword net's part of the fusion head does for the decided class.

    Attributes:
        without: the class' probability with silence in every keyword window.
        effect: by how much that probability is less than the decision's; below 0 where the keywords speak against
            it.
        word: the keyword heard in the window that does most for the decision; ``None`` where it is none of the
            spec's words, or no window does anything for it.
        probability: the probability that the keyword head gives it; ``None`` without a word.
        start_s: start of that window, seconds; ``None`` where no window does anything for the decision.
        end_s: its end.
        window_effect: what the class' probability loses without that window alone; 0 where there is none.
        heard: every keyword heard in the recording, by the rule of classify, without doubles, in order.
    """

    without: float
    effect: float
    word: str | None
    probability: float | None
    start_s: float | None
    end_s: float | None
    window_effect: float
    heard: tuple[str, ...]


def keyword_share(heard: Occlusion) -> KeywordShare:
    """What the keywords of a recording do for its decision; costs no pass of the acoustic net."""
    spec, windows = heard.pipeline.spec, heard.embeddings.keyword_windows
    silent = _silence(heard)
    without = heard.with_keywords(np.broadcast_to(silent, (len(windows), len(silent))).copy())
    usual = windows.max(axis=1)
    effects = np.zeros(windows.shape[:2])
    for segment, cut in enumerate(heard.segments):
        for at in range(windows.shape[1]):
            if _start(heard, segment, at) >= cut.end_s:
                continue  # padding: nobody spoke there
            changed = windows[segment].copy()
            changed[at] = silent
            keywords = usual.copy()
            keywords[segment] = changed.max(axis=0)
            effects[segment, at] = heard.score - heard.with_keywords(keywords)
    segment, at = (int(index) for index in np.unravel_index(int(effects.argmax()), effects.shape))
    effect = float(effects[segment, at])
    words = tuple(dict.fromkeys(one.keyword for one in heard.decisions if one.keyword is not None))
    if effect <= 0:
        return KeywordShare(without, heard.score - without, None, None, None, None, 0.0, words)
    head = heard.pipeline.words
    found = hear(head, Steps.of_scale(head.scale), windows[segment, at : at + 1])
    start = _start(heard, segment, at)
    return KeywordShare(
        without=without,
        effect=heard.score - without,
        word=spec.keyword.words[found.word] if found else None,
        probability=found.share / ONE if found else None,
        start_s=start,
        end_s=min(start + spec.keyword.window_s, heard.segments[segment].end_s),
        window_effect=effect,
        heard=words,
    )


def _start(heard: Occlusion, segment: int, at: int) -> float:
    """Where a keyword window starts in the recording, seconds."""
    spec = heard.pipeline.spec
    return heard.segments[segment].start_s + spec.keyword_starts[at] * spec.frontend.step_ms / 1000


def _silence(heard: Occlusion) -> NDArray[np.uint8]:
    """The keyword embedding of digital silence, uint8 (keyword embedding,)."""
    spec = heard.pipeline.spec
    quiet = heard.pipeline.features(np.zeros((1, spec.segment_samples), np.int16))
    silent: NDArray[np.uint8] = heard.pipeline.keyword_net.embed(quiet[:, : spec.keyword_frames])[0]
    return silent
