import numpy as np
from trimtab.contracts.streams import Stream, philox4x32


def test_philox_gives_the_published_known_answers() -> None:
    # Random123 kat_vectors, philox4x32 10 rounds.
    def words(*values: int) -> tuple[np.ndarray, ...]:
        return tuple(np.array([v], np.uint64) for v in values)

    zero = philox4x32(words(0, 0, 0, 0), words(0, 0))
    assert [int(w[0]) for w in zero] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    pi = philox4x32(
        words(0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), words(0xA4093822, 0x299F31D0)
    )
    assert [int(w[0]) for w in pi] == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_a_draw_depends_on_its_coordinates_alone() -> None:
    stream, episode = Stream("weather"), np.zeros(8, np.int64)
    many = stream.uniform(np.arange(8), episode, 3, 5)
    one = stream.uniform(np.array([6]), episode[:1], 3, 5)
    assert np.array_equal(many[6:7], one)


def test_streams_steps_and_episodes_differ() -> None:
    seed, zero = np.array([1]), np.zeros(1, np.int64)
    draws = {
        float(Stream("a").uniform(seed, zero, 0)[0, 0]),
        float(Stream("b").uniform(seed, zero, 0)[0, 0]),
        float(Stream("a").uniform(seed, zero, 1)[0, 0]),
        float(Stream("a").uniform(seed, zero + 1, 0)[0, 0]),
        float(Stream("a").uniform(seed + (1 << 40), zero, 0)[0, 0]),
    }
    assert len(draws) == 5


def test_normal_draws_have_the_moments_of_a_standard_normal() -> None:
    x = Stream("noise").normal(np.arange(2000), np.zeros(2000, np.int64), 0, 50)
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((x**4).mean() - 3) < 0.1
