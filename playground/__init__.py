"""The core of the playground: completions over the wire, and a run's life. Imports no streamlit."""
