"""Our own plugins keep the contract, by the checks that authors are given."""

from typing import ClassVar

from farfield_conformance.testing import Conformance


class TestGeneralPoints(Conformance):
    environment = verifier = "generalpoints"


class TestGeneralPointsInPictures(Conformance):
    environment = verifier = "generalpoints"
    variant = "vl-ood"
    options: ClassVar = {"prompt": "compact", "image_height": 64}
    levels = ("api", "wire", "semantics")
    waived: ClassVar = {"leases-end-and-are-renewed": "as with cards in words"}


class TestVirl(Conformance):
    environment = verifier = "virl"
    variant = "ood_rule"
    options: ClassVar = {"prompt": "compact"}


class TestVirlInPictures(Conformance):
    environment = verifier = "virl"
    variant = "id_views"
    options: ClassVar = {"view_size": 32}
    levels = ("api", "semantics")
