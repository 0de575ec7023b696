"""What was read of histories is read once, and lent to one fit at a time."""

from __future__ import annotations

from autogen_core.models import LLMMessage, UserMessage

from autogen_ext_tokenctx.retrieval.histories import Histories
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter, GuardedTokenCounter


def said(*texts: str) -> list[LLMMessage]:
    return [UserMessage(content=text, source="user") for text in texts]


def histories() -> Histories:
    return Histories(GuardedTokenCounter(EstimatedTokenCounter()))


def test_a_history_that_goes_on_is_the_same_one() -> None:
    kept = histories()
    with kept.lent(said("a", "b")) as first:
        pass
    assert list(kept.new(said("a", "b", "c"))) == said("c")
    with kept.lent(said("a", "b", "c")) as second:
        assert second is first
        assert [group.index for group in second.groups] == [0, 1, 2]


def test_two_fits_at_a_time_have_one_each() -> None:
    kept = histories()
    with kept.lent(said("a")):
        pass
    with kept.lent(said("a")) as one, kept.lent(said("a")) as other:
        assert one is not other
        assert len(one.groups) == len(other.groups) == 1


def test_of_several_the_one_with_the_longest_common_beginning_goes_on() -> None:
    kept = histories()
    with kept.lent(said("a", "b")) as short, kept.lent(said("a", "b", "c", "d")) as long:
        pass
    assert short is not long
    with kept.lent(said("a", "b", "c", "d", "e")) as found:
        assert found is long


def test_a_message_ahead_is_read_if_it_is_the_next_one() -> None:
    kept = histories()
    with kept.lent(said("a")):
        pass
    assert kept.add(said("x")[0], 5) is None
    group = kept.add(said("b")[0], 1)
    assert group is not None
    assert group.index == 1
    assert list(kept.new(said("a", "b", "c"))) == said("c")


def test_one_that_fails_while_lent_is_not_lost() -> None:
    kept = histories()
    try:
        with kept.lent(said("a", "b")):
            raise ValueError
    except ValueError:
        pass
    assert list(kept.new(said("a", "b"))) == []
