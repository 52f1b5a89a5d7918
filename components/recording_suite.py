"""Asked again: a suite's requests sent anew, counted and priced before anything goes out, watched as it goes, and what has changed."""

from functools import partial

import streamlit as st

from components import door, state
from components.choice import choice
from components.known import known_endpoints
from components.recording_player import Opened
from components.spending import charge
from components.text import _, language, plain, say
from playground.errors import PlaygroundError
from playground.language import translator
from playground.message import message
from playground.recording import write_recording
from playground.suite import MOST, USUAL, Outcome, Plan, Report, Suite, SuiteRun, plan, read_suite

LOOK = 0.7
LISTED = 100
_MARKS = {
    Outcome.SAME: ":green[:material/check_circle:]", Outcome.DRIFT: ":orange[:material/change_circle:]", Outcome.FAILED: ":red[:material/block:]",
    Outcome.NOT_COMPARABLE: ":gray[:material/help:]", Outcome.NOT_RUN: ":gray[:material/radio_button_unchecked:]",
}


class _Asked:
    """What this session asks again, of which file, and how many of its runs are reckoned with."""

    def __init__(self, file: Opened, suite: Suite) -> None:
        self.file = file
        self.suite = suite
        self.run: SuiteRun | None = None
        self.charged = 0


def suite_view(file: Opened) -> None:
    """Draw what would be asked, what is being asked, or what came of it."""
    asked: _Asked | None = st.session_state.get(state.SUITE)
    if asked is not None and asked.run is not None and not asked.run.progress.ended:
        st.fragment(_going, run_every=LOOK)(asked, asked.run)
        return
    if asked is None or asked.file is not file:
        try:
            with st.spinner(_("Reading the recordings…")):
                asked = _Asked(file, read_suite("".join(line for one in file.recordings for line in write_recording(one)).encode()))
        except PlaygroundError as error:
            _refused(error)
            return
        st.session_state[state.SUITE] = asked
    st.caption(
        _("The recorded requests are sent again, and the fresh answers compared with the recorded ones: what differs by more than they differ "
          "among themselves is drift.")
    )
    ahead = _plan(asked.suite)
    if ahead is not None:
        _bill(ahead)
        st.button(
            _("Ask again"), key="suite-start", icon=":material/published_with_changes:", type="primary", disabled=not ahead.requests,
            on_click=_start, args=(asked, ahead),
        )
    if asked.run is not None:
        _charge(asked)
        _found(asked.run.report)
    elif ahead is not None:
        _questions(ahead)


def _plan(suite: Suite) -> Plan | None:
    """Draw the choice of endpoint and repeats; return what that will ask, or say why it cannot be asked."""
    rows = {name: row for name, row in known_endpoints().items() if row.off is None}

    def title(name: str) -> str:
        return f"{rows[name].title} · {_(rows[name].group)}" if name else _("Each request where it was recorded")

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = choice(_("Ask"), ["", *rows], key=state.SUITE_ENDPOINT, title=title)
        repeats = st.slider(_("Fresh answers to each request"), 1, MOST, USUAL, key=state.SUITE_REPEATS, persist_state="session", width=260)
    try:
        return plan(suite, known_endpoints(), name or None, repeats=repeats)
    except PlaygroundError as error:
        _refused(error)
        return None


def _bill(ahead: Plan) -> None:
    """Say how many requests it is and what they cost, endpoint by endpoint."""
    rows = known_endpoints()
    lines = [f"{plain(rows[name].title)} · {plain(say(bill.words))}" for name, bill in ahead.estimates.items()]
    st.markdown("  \n".join(lines) if lines else _("None of these requests can be asked again."))


def _questions(ahead: Plan) -> None:
    """List what will be asked of whom, and what is not as it was recorded."""
    rows = []
    for one in ahead.questions[:LISTED]:
        notes = [one.trouble] if one.trouble else [message("{name}: {words}", name=name, words=words) for name, words in one.changed.items()]
        rows.append({
            _("case"): str(one.case.number), _("request"): plain(one.case.title), _("endpoint"): plain(one.endpoint.title),
            _("not as recorded"): plain("; ".join(map(say, notes))) or "–",
        })
    st.table(rows, border="horizontal", hide_index=True)
    _more(len(ahead.questions))


def _going(asked: _Asked, run: SuiteRun) -> None:
    run.touch()
    _charge(asked)
    progress = run.progress
    if progress.ended:
        st.rerun()
    words = _("{done} of {all} requests").format(done=progress.done, all=progress.all)
    doing = _("waiting for a free place") if progress.waiting else plain(progress.case.title) if progress.case else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(1.0, progress.done / max(1, progress.all)), text=f"{words} · {doing}" if doing else words)
        st.button(_("Stop"), key="suite-stop", icon=":material/stop:", on_click=run.stop)
    _found(run.report, whole=False)


def _found(report: Report, *, whole: bool = True) -> None:
    """Draw the verdicts, and of a report that is whole its total and its files."""
    if whole:
        st.markdown(f"**{plain(say(report.words))}**")
    rows = [
        {
            "": _MARKS[one.outcome], _("case"): str(one.question.case.number), _("request"): plain(one.question.case.title),
            _("endpoint"): plain(one.question.endpoint.title), _("verdict"): plain(say(one.words)),
        }
        for one in report.cases[:LISTED] if whole or one.outcome is not Outcome.NOT_RUN
    ]
    if rows:
        st.table(rows, border="horizontal", hide_index=True)
        _more(len(report.cases))
    if not whole:
        return
    markdown = partial(report.to_markdown, translator(language()))
    with st.container(horizontal=True):
        st.download_button(
            _("Report as Markdown"), markdown, "report.md", "text/markdown", key="report-markdown", icon=":material/download:", on_click="ignore"
        )
        st.download_button(
            _("Report as JSON"), report.to_json, "report.json", "application/json", key="report-json", icon=":material/download:", on_click="ignore"
        )


def _more(count: int) -> None:
    if count > LISTED:
        st.caption(_("{count} more are in the report.").format(count=f"{count - LISTED:,}"))


def _start(asked: _Asked, ahead: Plan) -> None:
    asked.run, asked.charged = SuiteRun(door.entrance(), ahead, state.visitor()), 0
    asked.run.start()


def _charge(asked: _Asked) -> None:
    """Reckon with the runs that came since the last look."""
    sent = list(asked.run.sent) if asked.run else []
    for run in sent[asked.charged :]:
        charge(run)
    asked.charged = len(sent)


def _refused(error: PlaygroundError) -> None:
    st.warning(plain(" ".join(say(part) for part in (error.message, error.remedy) if part)), icon=":material/error:")
