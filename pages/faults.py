"""The fault lab: endpoints of the emulator that fail on purpose, to see how each failure looks and reads. A development switch."""

import streamlit as st

from components.fault_lab import fault_choice, fault_view
from components.text import _, plain, say
from playground.errors import EndpointError
from playground.fault_lab import read_faults
from playground.service import service

st.title(_("Fault lab"))
st.caption(_("Endpoints that fail on purpose, to see how each failure looks and reads. Choose one, set its figures, and run it on the bench."))
if not service().settings.fault_endpoints:
    st.info(_("The fault lab is off. PLAYGROUND_FAULT_ENDPOINTS=1 switches it on."))
    st.stop()
emulator_url = service().emulator_url
if emulator_url is None:
    st.info(_("The emulator is not running."))
    st.stop()
try:
    faults = read_faults(emulator_url)
except EndpointError as error:
    st.error(plain(" ".join(say(part) for part in (error.message, error.remedy) if part)))
    st.stop()
left, right = st.columns([1.15, 1], gap="medium")
with left:
    fault = fault_choice(faults)
if fault is not None:
    with right:
        fault_view(fault, emulator_url)
