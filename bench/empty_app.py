"""The least Streamlit page there is, to see what Streamlit itself takes to start."""

import streamlit as st

st.write("x")
