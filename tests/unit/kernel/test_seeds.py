from farfield_kernel.seeds import HALF_BITS, evaluation_sampling_seed, evaluation_seed, hashed


def test_hash_is_what_the_docstring_says() -> None:
    # printf a/1 | sha256sum
    assert hashed("a", 1) == 0x773232ABE9343F0E
    assert hashed("a", 1, bits=8) == 0x77


def test_evaluations_deal_from_the_upper_half() -> None:
    seeds = [evaluation_seed(suite, index) for suite in range(3) for index in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert all(1 << HALF_BITS <= seed < 1 << (HALF_BITS + 1) for seed in seeds)


def test_sampling_seeds_differ() -> None:
    assert evaluation_sampling_seed(0, 1) != evaluation_sampling_seed(1, 0)
