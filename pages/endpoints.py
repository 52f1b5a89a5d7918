"""The endpoints: what is configured and what is missing, a test of each, and one of the visitor's own for this session."""

from itertools import groupby

import streamlit as st

from components.endpoint_card import endpoint_card
from components.known import known_endpoints, own_endpoints
from components.own_endpoint_form import own_endpoint_form
from components.text import _, plain
from playground.endpoints import GROUP_FAULTS

st.title(_("Endpoints"))
st.markdown(
    _("Where completions come from. Rows stand in `endpoints.toml`, keys in `.env`; neither a key nor a part of one is ever shown.")
)
with st.expander(_("Add an endpoint for this session"), icon=":material/add:", expanded=not own_endpoints() and "add" in st.query_params):
    own_endpoint_form()
rows = [row for row in known_endpoints().values() if row.group != GROUP_FAULTS]
for group, members in groupby(rows, key=lambda row: row.group):
    st.markdown(f"**{plain(_(group))}**")
    for endpoint in members:
        endpoint_card(endpoint)
