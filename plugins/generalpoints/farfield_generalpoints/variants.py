"""Named settings of the options, by their part in a generalization experiment."""

from farfield_sdk import Variant

VARIANTS = {
    "id": Variant("id", "J, Q and K count as 10.", {"faces": "ten"}),
    "ood": Variant(
        "ood",
        "J, Q and K count as 11, 12 and 13, and every hand has at least one of them.",
        {"faces": "rank", "deal": "face"},
    ),
    "rank": Variant("other", "J, Q and K count as 11, 12 and 13; any cards.", {"faces": "rank"}),
    "swapped": Variant(
        "other",
        "J, Q and K count as 7, 5 and 3: a rule without a new number.",
        {"faces": {"J": 7, "Q": 5, "K": 3}, "deal": "face"},
    ),
    "varied": Variant(
        "other",
        "J, Q and K count as numbers drawn anew for each hand, never as in `id` or `ood`; any cards.",
        {"faces": "varied"},
    ),
    "target36": Variant("other", "The rule of `id`, another target.", {"target": 36}),
    "vl-id": Variant(
        "id", "Cards as a picture, in black; J, Q and K count as 10.", {"modality": "image", "faces": "ten"}
    ),
    "vl-ood": Variant(
        "ood",
        "Cards as a picture, in black; J, Q and K count as 11, 12 and 13, and every hand has one.",
        {"modality": "image", "faces": "rank", "deal": "face"},
    ),
    "vl-red": Variant(
        "ood",
        "Cards as a picture, in red; the rule of `vl-id`.",
        {"modality": "image", "faces": "ten", "colours": "red"},
    ),
}
