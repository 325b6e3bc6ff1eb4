"""The bundle that comes with edge-ser: found, allowed to ship, and saying of itself what is true."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path

import pytest

from edge_ser import bundle_shipped
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_card import ATTRIBUTIONS, CARD, EVALUATIONS, TRIALS, model_card
from edge_ser.bundle_float import FLOAT_FOLDER, FLOAT_WEIGHTS, float_bytes, has_float
from edge_ser.bundle_shipped import SHIPPED, check_shippable, corpora_of, shipped_bundle
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.registry import layouts
from edge_ser.errors import InputError, MissingError
from edge_ser.evaluation.condensed import folders_named
from edge_ser.files import sha256_hex

REPOSITORY = Path(__file__).resolve().parents[1]
MAY_SHIP = {"crema-d", "speech-commands", "librispeech", "musan", "esc-10"}
"""Beside what edge-ser makes itself, the synthetic corpora."""


def test_it_is_part_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    package = Path(bundle_shipped.__file__).parent
    patterns = project["tool"]["setuptools"]["package-data"]["edge_ser"]
    assert any(SHIPPED.relative_to(package).match(pattern) for pattern in patterns)


def test_without_one_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundle_shipped, "SHIPPED", tmp_path / "none.edgeser")
    with pytest.raises(MissingError, match="no bundle was named"):
        shipped_bundle()


def test_only_corpora_whose_licence_allows_it_may_ship() -> None:
    assert {form.name for form in layouts() if form.shippable and not _synthetic(form)} == MAY_SHIP
    for form in layouts():
        if form.name in MAY_SHIP or _synthetic(form):
            assert check_shippable([form.name]) == [form]
        else:
            with pytest.raises(InputError, match=re.escape(f"{form.name}: its licence ({form.licence})")):
                check_shippable([form.name])


def _synthetic(form: Layout) -> bool:
    return form.name.startswith("synthetic")


def test_one_that_may_not_ship_spoils_all() -> None:
    with pytest.raises(InputError, match=r"^emo-db: its licence"):
        check_shippable(["crema-d", "emo-db"])


def test_every_recorded_corpus_that_may_ship_is_named_as_it_wants() -> None:
    assert set(ATTRIBUTIONS) == MAY_SHIP


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    if not SHIPPED.is_file():
        pytest.skip(f"{SHIPPED.name} has not been made yet: make base")
    return read_bundle(SHIPPED)


def test_the_link_in_models_leads_to_it(shipped: Bundle) -> None:
    assert (REPOSITORY / "models" / "base.edgeser").resolve() == SHIPPED.resolve()


def test_everything_that_taught_it_may_ship(shipped: Bundle) -> None:
    check_shippable([entry["name"] for _, entry in corpora_of(shipped)])
    for teacher in shipped.provenance.get("teachers", []):
        # A teacher from elsewhere: whoever shipped named the licences that let what it taught be passed on.
        assert teacher["corpora"] or shipped.provenance["teacher_licence"]


def test_it_names_no_folder_of_anybodys_machine(shipped: Bundle) -> None:
    reports = [json.loads(data) for name, data in shipped.members.items() if name.endswith(".json")]
    assert not list(folders_named([reports, shipped.provenance, shipped.spec.to_dict()]))


def test_its_card_is_what_its_reports_say(shipped: Bundle) -> None:
    assert shipped.member(CARD).decode() == model_card(shipped)


def test_its_evaluations_are_of_its_own_nets(shipped: Bundle) -> None:
    added = (f"reports/{EVALUATIONS}", f"reports/{TRIALS}", CARD)
    kept = {name: data for name, data in shipped.members.items() if not name.startswith(added)}
    bare = dataclasses.replace(shipped, members=kept)
    card = model_card(bare).encode()
    # As it was before its evaluations went in, with the spec as its own version of edge-ser wrote it.
    manifest = json.loads(shipped.manifest)
    manifest["members"] = {name: manifest["members"][name] for name in kept}
    manifest["members"][CARD] = {"bytes": len(card), "sha256": sha256_hex(card)}
    made = sha256_hex((json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
    found = [
        json.loads(data)["bundle"]["build"]
        for name, data in shipped.members.items()
        if name.startswith(f"reports/{EVALUATIONS}")
    ]
    assert found
    assert set(found) == {made}


def test_it_can_be_scored_in_float_and_trained_on_from(shipped: Bundle) -> None:
    assert has_float(shipped)
    assert set(FLOAT_WEIGHTS.values()) <= set(shipped.members)
    own = sum(len(data) for name, data in shipped.members.items() if name.startswith(FLOAT_FOLDER))
    assert float_bytes(shipped) == own > 0
