"""What this session's runs have cost, of all of them, however many answers are kept."""

import streamlit as st

from components import state
from components.text import _, plain
from playground.completion import Ending
from playground.price import Spending, money
from playground.run import Run


def charge(run: Run) -> None:
    """Reckon with a run that this session has begun; its cost is added once it has ended. A free one costs nothing."""
    if not run.endpoint.free:
        st.session_state[state.CHARGED] = [*st.session_state.get(state.CHARGED, []), run]


@st.fragment(key=state.SESSION_COST)
def session_cost() -> None:
    """Draw the sum so far; nothing while only free runs were made. A fragment, for a run that ends changes it and seldom anything else."""
    spent = _spent()
    words = [
        _("at least {amount}").format(amount=money(amount, currency)) if currency in spent.at_least else money(amount, currency)
        for currency, amount in spent.sums.items()
    ]
    if spent.unknown:
        words.append((_("{count} run of unknown cost") if spent.unknown == 1 else _("{count} runs of unknown cost")).format(count=spent.unknown))
    if words:
        st.caption(
            "  \n".join(map(plain, [_("This session"), *words])),
            help=_("An estimate by the prices configured for the endpoints and the tokens they stated. Free endpoints are not in it."),
        )


def _spent() -> Spending:
    """Add what has ended since the last look."""
    spent: Spending = st.session_state.get(state.SPENT, Spending())
    going: list[Run] = []
    for run in st.session_state.get(state.CHARGED, []):
        if run.ending is None:
            going.append(run)
        else:
            spent = spent.plus(run.endpoint.price, run.usage, whole=run.ending is Ending.FINISHED)
    st.session_state[state.CHARGED], st.session_state[state.SPENT] = going, spent
    return spent
