"""Which clips of a corpus a system learns from, and how they are split."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from edge_ser.corpora.manifest import Manifest, make_manifest
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.splits import has_official_parts, split_by_part, split_by_speaker
from edge_ser.errors import InputError
from edge_ser.spec import SILENCE, UNKNOWN_WORD, CorporaSpec, SystemSpec


def emotion_manifest(spec: SystemSpec, corpus: str, root: Path) -> Manifest:
    """The clips whose emotion the spec's acoustic net tells apart, split by speaker.

    Raises:
        InputError: the corpus lacks one of the spec's classes, or cannot be split.
        MissingError: the corpus is not there.
    """
    wanted = spec.acoustic.classes
    clips = [clip for clip in read_clips(corpus, root) if clip.emotion in wanted]
    lacking = sorted(set(wanted) - {str(clip.emotion) for clip in clips})
    if lacking:
        message = f"{root}: {corpus} has no clip of {', '.join(lacking)}; leave it out of acoustic.classes"
        raise InputError(message)
    rule = spec.corpora
    parts = split_by_speaker(clips, rule.folds, rule.test_fold, rule.validation_share, label="emotion")
    return make_manifest(corpus, root, _protocol(rule), parts)


def keyword_manifest(spec: SystemSpec, corpus: str, root: Path) -> Manifest:
    """The clips that teach the keyword net, split as the publisher did, else by speaker.

    Words that the spec does not name become :data:`~edge_ser.spec.UNKNOWN_WORD`, at most as many clips as the
    named words have together, taken at equal steps. A corpus without unknown words or silence is taken as it is.

    Raises:
        InputError: the corpus lacks one of the spec's words, or cannot be split.
        MissingError: the corpus is not there.
    """
    words = set(spec.keyword.words)
    clips = [clip for clip in read_clips(corpus, root) if clip.keyword]
    lacking = sorted(words - {str(clip.keyword) for clip in clips})
    if lacking:
        message = f"{root}: {corpus} has no clip of {', '.join(lacking)}; leave it out of keyword.words"
        raise InputError(message)
    named = [clip for clip in clips if clip.keyword in words]
    silence = [clip for clip in clips if clip.keyword == SILENCE]
    others = [
        replace(clip, keyword=UNKNOWN_WORD)
        for clip in clips
        if clip.keyword not in words and clip.keyword != SILENCE
    ]
    step = max(1, math.ceil(len(others) / len(named)))
    chosen = sorted([*named, *silence, *others[::step]], key=lambda clip: (clip.path, clip.start_s))
    if has_official_parts(chosen):
        return make_manifest(corpus, root, "the publisher's parts", split_by_part(chosen, label="keyword"))
    rule = spec.corpora
    parts = split_by_speaker(chosen, rule.folds, rule.test_fold, rule.validation_share, label="keyword")
    return make_manifest(corpus, root, _protocol(rule), parts)


def _protocol(rule: CorporaSpec) -> str:
    share = f"{rule.validation_share:g} of the other speakers validate"
    return f"speakers sorted, fold {rule.test_fold} of {rule.folds} tests, {share}"
