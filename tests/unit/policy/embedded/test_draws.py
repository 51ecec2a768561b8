import numpy as np

from farfield_policy.embedded.draws import mix, uniforms


def draws(seeds: np.ndarray, counters: np.ndarray) -> np.ndarray:
    return uniforms(seeds.astype(np.uint64), counters.astype(np.uint64))


def test_the_finalizer_is_that_of_splitmix64() -> None:
    # The generator's first outputs for seed 0, as its authors publish them.
    counters = np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert [hex(value) for value in mix(counters)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_a_draw_depends_on_its_own_seed_and_counter_alone() -> None:
    alone = draws(np.array([7]), np.array([3]))
    among = draws(np.array([1, 7, 2]), np.array([3, 3, 9]))
    assert alone[0] == among[1]
    assert len({*among.tolist()}) == 3


def test_extreme_seeds_are_taken() -> None:
    values = draws(np.array([0, 2**64 - 1], dtype=np.uint64), np.array([0, 10**9]))
    assert ((values >= 0) & (values < 1)).all()


def test_draws_are_uniform_along_seeds_and_along_counters() -> None:
    """Chi-squared over 64 bins: 63 degrees of freedom, so 120 is past the 99.99th percentile."""
    many = np.arange(20_000)
    for values in (draws(many, np.zeros_like(many)), draws(np.zeros_like(many), many)):
        counts = np.bincount((values * 64).astype(int), minlength=64)
        expected = len(many) / 64
        assert ((counts - expected) ** 2 / expected).sum() < 120


def test_neighbouring_seeds_and_counters_are_uncorrelated() -> None:
    many = np.arange(20_000)
    for a, b in (
        (draws(many, 0 * many), draws(many + 1, 0 * many)),
        (draws(0 * many, many), draws(0 * many, many + 1)),
        (draws(many, 0 * many), draws(many, 0 * many + 1)),
    ):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(len(many))
