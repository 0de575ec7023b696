"""Which bills can be of the whole prompt."""

from autogen_ext_tokenctx.tokens.credibility import Credibility


def test_bills_that_stop_growing_show_where_a_server_cuts() -> None:
    bills = Credibility()
    believed = [bills.believes(dict.fromkeys(range(size), 100), min(120 * size, 1_200)) for size in range(8, 15)]
    assert believed == [True, True, True, False, False, False, False]
    assert (bills.highest, bills.ceiling) == (1.2, 1_200)


def test_a_restart_forgets_nothing_of_them() -> None:
    bills, later = Credibility(), Credibility()
    for size in range(8, 15):
        bills.believes(dict.fromkeys(range(size), 100), min(120 * size, 1_200))
    later.load(*bills.dump())
    assert (later.highest, later.ceiling) == (1.2, 1_200)
