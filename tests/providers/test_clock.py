"""The time of an attempt, with pauses."""

from scribe_suite.providers.clock import AttemptClock


def test_only_time_between_pauses_is_worked():
    now = [50.0]
    clock = AttemptClock(lambda: now[0])
    now[0] = 60.0
    clock.begin()
    now[0] += 7
    assert (clock.worked_s, clock.paused_s, clock.running) == (7.0, 0.0, True)
    clock.pause()
    now[0] += 100
    clock.pause()
    now[0] += 20
    assert (clock.worked_s, clock.paused_s, clock.running) == (7.0, 120.0, False)
    clock.resume()
    clock.resume()
    now[0] += 1
    assert (clock.worked_s, clock.paused_s, clock.running) == (8.0, 120.0, True)
    clock.begin()
    assert (clock.worked_s, clock.paused_s) == (0.0, 0.0)
