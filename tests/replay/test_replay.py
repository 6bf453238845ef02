"""A whole replay of our own bookings, end to end on real servers, with its totals as literals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from devstack.replay import __main__ as command
from devstack.replay.audit import Audit, Sums
from devstack.replay.checkpoint import Busy, Checkpoint
from devstack.replay.plan import Calendar, calendar
from devstack.replay.rows import read
from devstack.replay.run import Progress, Replay
from devstack.replay.show import Meter
from devstack.stack import DEFAULT_START, SECRET_KEY, Stack

pytestmark = pytest.mark.e2e

BOOKINGS = Path(__file__).parents[1] / "data" / "bookings.csv"


@dataclass
class Played:
    stack: Stack
    plans: Calendar
    replay: Replay
    audit: Audit


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    bookings, _ = read(BOOKINGS)
    plans = calendar(bookings, DEFAULT_START.date())
    with Stack(start=plans.start, logs=tmp_path_factory.mktemp("logs")) as stack:
        replay = Replay(stack, plans, Progress(), workers=4)
        assert replay.play(lambda: False, lambda position, done: None)
        yield Played(stack, plans, replay, command.audit_all(stack, plans, replay))
        replay.close()


def test_every_row_ends_as_it_must(played: Played):
    """Both books agree on every tab, and each is what its row says by the rules of docs/replay.md."""
    assert played.audit.problems == []


def test_the_totals_are_those_worked_out_by_hand(played: Played):
    """35 of 55 rows. Captured and charged are 4,691.44: the bills and fees in the file, less the 12.80 contested."""
    by_end = {end: sums.tabs for end, sums in played.audit.by_end.items()}

    assert by_end == {
        "fulfilled, paid": 15,
        "fulfilled, none": 4,
        "canceled, none": 8,
        "canceled, paid": 4,
        "no_show, paid": 3,
        "no_show, none": 1,
    }
    assert played.audit.total == Sums(
        tabs=35,
        promised=643369,
        held=269515,
        captured=141555,
        released=127960,
        expired=0,
        charged=327589,
        refunded=8888,
        waived=40,
        outstanding=0,
    )


def test_who_does_not_pay_at_once_is_played_too(played: Played):
    """Row 1 says nothing and is charged a day later, row 6 contests 12.80, row 10 gets 88.88 back from the charge."""
    late, contested, refunded = (played.replay.tab(number) for number in (1, 6, 10))

    assert [played.plans.plans[number].turn for number in (1, 6, 10)] == ["pays_late", "contests", "refunded"]
    assert (late["closed_at"] > late["presented_at"], late["paid_minor"]) == (True, 16000)
    assert (contested["adjusted_minor"], contested["paid_minor"]) == (1280, 11520)
    assert [(leg["kind"], leg["refunded_minor"]) for leg in refunded["legs"]] == [("capture", 0), ("charge", 8888)]


def test_a_long_stay_is_secured_by_one_hold_after_the_other(played: Played):
    """Row 7 stays 23 nights with a deposit of 58.40: each hold is renewed a day before it expires, none lapses."""
    tab = played.replay.tab(7)

    states = [hold["state"] for hold in tab["holds"]]
    assert states == ["released"] * 6 + ["captured"]


def test_it_is_counted_what_went_over_the_wire(played: Played):
    counts = played.replay.progress.counts

    assert counts.routes["POST /tabs"] == 35
    assert counts.routes["POST /merchants"] == 2
    assert counts.webhooks > 100
    assert counts.advanced >= counts.sweeps > 0
    assert counts.missed == 0


def test_a_cent_that_only_stripe_knows_of_fails_the_replay(played: Played):
    """Somebody charges a card past the app: the totals differ, and the exit status says so."""
    key = {"Authorization": f"Bearer {SECRET_KEY}"}
    fields = {"amount": "50", "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true"}
    never = {"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"}
    played.stack.standin.post_form("/v1/payment_intents", fields | never, headers=key)

    problems = command.audit_all(played.stack, played.plans, played.replay).problems

    assert problems == ["in total we have charged 327589, Stripe has 327639"]


def test_a_replay_that_is_stopped_goes_on_where_it_was(tmp_path: Path):
    """Other servers, with what was saved: no request is lost, none is made twice, and all books agree."""
    bookings, _ = read(BOOKINGS, 6)
    plans = calendar(bookings, DEFAULT_START.date())
    keeps = Checkpoint(tmp_path)
    progress = Progress()
    meter = Meter(Console(), 1, 1, 0)
    parts = 0
    while True:
        # The thirteenth time it asks, it is to stop; what goes on afterwards is not.
        asked = itertools.count(100 * parts)
        with keeps.locked():
            found = command.play(plans, progress, keeps.state, 2, lambda asked=asked: next(asked) == 12, meter)
            if found is not None:
                break
            keeps.save(progress)
            restored = keeps.restore()
        assert restored == progress
        progress = restored
        parts += 1

    assert found.problems == []
    assert parts == 1
    assert progress.counts.routes["POST /tabs"] == 6
    assert progress.counts.routes["POST /merchants"] == 1


def test_two_replays_of_the_same_rows_do_not_share_a_folder(tmp_path: Path):
    with Checkpoint(tmp_path).locked(), pytest.raises(Busy), Checkpoint(tmp_path).locked():
        pass


def test_a_save_that_was_cut_off_leaves_the_one_before(tmp_path: Path):
    keeps = Checkpoint(tmp_path)
    keeps.state.mkdir()
    keeps.save(Progress(position=7))
    (tmp_path / "saved").rename(tmp_path / "replaced")
    (tmp_path / "saving").mkdir()

    assert keeps.restore() == Progress(position=7)


def test_the_exit_status_is_1_where_anything_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    found = Audit(problems=["a cent is missing"])
    monkeypatch.setattr(command, "play", lambda *args: found)

    assert command.main([str(BOOKINGS), "--limit", "3"]) == 1
    assert "a cent is missing" in capsys.readouterr().out

    found.problems.clear()
    assert command.main([str(BOOKINGS), "--limit", "3"]) == 0


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("a,b\n1,2\n", "the header lacks hotel")])
def test_a_file_that_is_no_bookings_is_refused(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "bookings.csv"
    if content is not None:
        file.write_text(content)

    assert command.main([str(file)]) == 2
    assert said in capsys.readouterr().err
