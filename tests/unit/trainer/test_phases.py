from farfield_trainer.reporting.phases import Phases


def test_a_phase_inside_another_is_taken_out_of_it() -> None:
    phases = Phases({"train": 100.0})
    with phases.phase("wait"), phases.phase("checkpoint"):
        sum(range(100_000))
    lap = phases.lap()
    assert lap["seconds_checkpoint"] > lap["seconds_wait"]
    assert phases.totals["train"] == 100.0
    assert phases.lap() == {}
