"""An empty Streamlit page with one slider: the least a moved slider can cost."""

import streamlit as st

st.code(str(st.slider("temperature", 0.01, 1.0, 0.5, 0.01)), language=None)
