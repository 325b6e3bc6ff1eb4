"""Which clips of a corpus a system learns from, and how they are split."""

from __future__ import annotations

from pathlib import Path

from edge_ser.corpora.manifest import Manifest, make_manifest
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.splits import has_official_parts, split_by_part, split_by_speaker
from edge_ser.errors import InputError
from edge_ser.spec import SystemSpec


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
    protocol = f"speakers sorted, fold {rule.test_fold} of {rule.folds} tests, {rule.validation_share:g} of the rest validate"
    return make_manifest(corpus, root, protocol, parts)


def keyword_manifest(spec: SystemSpec, corpus: str, root: Path) -> Manifest:
    """The clips whose keyword the spec's keyword net tells apart, split as the publisher did, else by speaker.

    Raises:
        InputError: the corpus lacks one of the spec's words, or cannot be split.
        MissingError: the corpus is not there.
    """
    wanted = spec.keyword.classes
    clips = [clip for clip in read_clips(corpus, root) if clip.keyword in wanted]
    lacking = sorted(set(wanted) - {str(clip.keyword) for clip in clips})
    if lacking:
        message = f"{root}: {corpus} has no clip of {', '.join(lacking)}; leave it out of keyword.words"
        raise InputError(message)
    if has_official_parts(clips):
        return make_manifest(corpus, root, "the publisher's parts", split_by_part(clips, label="keyword"))
    rule = spec.corpora
    parts = split_by_speaker(clips, rule.folds, rule.test_fold, rule.validation_share, label="keyword")
    return make_manifest(corpus, root, f"speakers sorted, fold {rule.test_fold} of {rule.folds} tests", parts)
